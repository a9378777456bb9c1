// SPDX-License-Identifier: GPL-2.0
//
// From all that a failed test has printed to the few lines that say why it failed.

#ifndef REVOKE_TOOLS_GUEST_REASON_H_
#define REVOKE_TOOLS_GUEST_REASON_H_

#include <string>
#include <string_view>
#include <vector>

namespace guest {

// The first failed assertion, with the lines that belong to it: it begins where a line names a
// place ("file.cc:12") or begins with "FAILED ". If nothing does, the last lines. On the unpatched
// kernel also what the test declares. Few lines, none of them long; empty if `printed` is.
std::vector<std::string> FirstFailure(const std::vector<std::string>& printed);

// The lines of `text`, which is that of an XML element, with its entities replaced.
std::vector<std::string> LinesOfXml(std::string_view text);

}  // namespace guest

#endif  // REVOKE_TOOLS_GUEST_REASON_H_
