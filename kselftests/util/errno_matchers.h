// SPDX-License-Identifier: GPL-2.0
//
// GoogleMock matchers for results of system calls, which print errno by name.
//
//     ASSERT_THAT(fcntl(fd, F_GETFL), SyscallSucceeds());
//     EXPECT_THAT(read(fd, buf, 4), SyscallSucceedsWithValue(0));
//     EXPECT_THAT(read(fd, buf, 4), SyscallFailsWithErrno(ENODEV));
//     EXPECT_THAT(Open(path, O_RDWR), SyscallFailsWithErrno(AnyOf(ENXIO, ENODEV)));
//
// They judge integers (-1 is failure, the reason is in errno, which the matcher takes before
// anything else can change it) and objects with a member `int error() const` (0 is success), such
// as FileDescriptor and Mapping.

#ifndef REVOKE_KSELFTESTS_UTIL_ERRNO_MATCHERS_H_
#define REVOKE_KSELFTESTS_UTIL_ERRNO_MATCHERS_H_

#include <gmock/gmock.h>

#include <cerrno>
#include <concepts>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

namespace revoke_test {

// "ENODEV", or "errno 12345" for a number without a name.
std::string ErrnoName(int error);

// "ENODEV (No such device)".
std::string ErrnoText(int error);

// An errno value which GoogleTest prints by name.
struct ErrnoValue {
  ErrnoValue(int error)
      : value(error) {}  // NOLINT(google-explicit-constructor): made from EIO etc.

  int value;

  friend bool operator==(const ErrnoValue&, const ErrnoValue&) = default;
  friend std::ostream& operator<<(std::ostream& os, const ErrnoValue& error) {
    return os << ErrnoText(error.value);
  }
};

namespace internal {

template <typename R>
concept CarriesError = requires(const R& result) {
  { result.error() } -> std::convertible_to<int>;
};

// Tells success from failure, and keeps errno between the two calls that GoogleMock makes: the
// first asks for the verdict alone; the second, for the explanation, comes after other code ran.
class Judgement {
 public:
  // The error of `result`, 0 if it is a success.
  template <typename R>
  int ErrorOf(const R& result, bool explaining) const {
    const int now = errno;
    if constexpr (CarriesError<R>) {
      return result.error();
    } else {
      static_assert(std::integral<R>, "neither a system call's result nor an object with error()");
      static_assert(!std::same_as<R, bool>, "a bool is never -1, so it would always succeed");
      if (result != static_cast<R>(-1)) return 0;
      if (!explaining) saved_ = now;
      return saved_.value_or(now);
    }
  }

 private:
  mutable std::optional<int> saved_;
};

template <typename R>
void ExplainSuccess(const R& result, testing::MatchResultListener* listener) {
  *listener << "which succeeded";
  if constexpr (std::integral<R>) *listener << " with " << result;
}

inline void ExplainFailure(int error, testing::MatchResultListener* listener) {
  *listener << "which failed with " << ErrnoText(error);
}

class SucceedsMatcher {
 public:
  template <typename R>
  bool MatchAndExplain(const R& result, testing::MatchResultListener* listener) const {
    const int error = judgement_.ErrorOf(result, listener->IsInterested());
    if (error != 0) ExplainFailure(error, listener);
    return error == 0;
  }
  void DescribeTo(std::ostream* os) const { *os << "succeeds"; }
  void DescribeNegationTo(std::ostream* os) const { *os << "fails"; }

 private:
  Judgement judgement_;
};

class SucceedsWithValueMatcher {
 public:
  explicit SucceedsWithValueMatcher(testing::Matcher<long> value) : value_(std::move(value)) {}

  template <std::integral R>
  bool MatchAndExplain(const R& result, testing::MatchResultListener* listener) const {
    const int error = judgement_.ErrorOf(result, listener->IsInterested());
    if (error != 0) {
      ExplainFailure(error, listener);
      return false;
    }
    return value_.MatchAndExplain(static_cast<long>(result), listener);
  }
  void DescribeTo(std::ostream* os) const {
    *os << "succeeds with a value that ";
    value_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "fails, or succeeds with a value that ";
    value_.DescribeNegationTo(os);
  }

 private:
  testing::Matcher<long> value_;
  Judgement judgement_;
};

class FailsWithErrnoMatcher {
 public:
  explicit FailsWithErrnoMatcher(testing::Matcher<ErrnoValue> error) : error_(std::move(error)) {}

  template <typename R>
  bool MatchAndExplain(const R& result, testing::MatchResultListener* listener) const {
    const int error = judgement_.ErrorOf(result, listener->IsInterested());
    if (error == 0) {
      ExplainSuccess(result, listener);
      return false;
    }
    ExplainFailure(error, listener);
    return error_.Matches(ErrnoValue(error));
  }
  void DescribeTo(std::ostream* os) const {
    *os << "fails with an errno that ";
    error_.DescribeTo(os);
  }
  void DescribeNegationTo(std::ostream* os) const {
    *os << "succeeds, or fails with an errno that ";
    error_.DescribeNegationTo(os);
  }

 private:
  testing::Matcher<ErrnoValue> error_;
  Judgement judgement_;
};

}  // namespace internal

// The call succeeded, whatever it returned.
inline auto SyscallSucceeds() {
  return testing::MakePolymorphicMatcher(internal::SucceedsMatcher());
}

// The call succeeded and its value matches `value`, a number or a matcher.
template <typename M>
auto SyscallSucceedsWithValue(M value) {
  return testing::MakePolymorphicMatcher(
      internal::SucceedsWithValueMatcher(testing::MatcherCast<long>(std::move(value))));
}

// The call failed and errno matches `error`: ENODEV, or AnyOf(ENODEV, EIO).
template <typename M>
auto SyscallFailsWithErrno(M error) {
  return testing::MakePolymorphicMatcher(
      internal::FailsWithErrnoMatcher(testing::MatcherCast<ErrnoValue>(std::move(error))));
}

// Repeats `call` while it fails with EINTR.
template <typename F>
auto RetryEintr(F call) {
  while (true) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace revoke_test

#endif  // REVOKE_KSELFTESTS_UTIL_ERRNO_MATCHERS_H_
