/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A way to know who is inside of a method of a file, as the benchmark and the tests see it. One
 * file in candidates/ for each; candidates.cc has the list. For C, too: the kernel's own is in C.
 */
#ifndef REVOKE_TOOLS_SCALING_CANDIDATE_H_
#define REVOKE_TOOLS_SCALING_CANDIDATE_H_

#ifdef __cplusplus
#include <span>

extern "C" {
#else
#include <stdbool.h>
#endif

/* Bytes on the caller's stack for one use, aligned to 16. */
enum { kUseSize = 64 };

/* All functions may be called by any thread at any time; none of them fails but by enter(). */
struct Candidate {
  const char* name;
  /* A live file of its own, with nobody inside. */
  void* (*open)(void);  // NOLINT(modernize-redundant-void-arg): in C it is not
  /* Nobody may call anything of the file any more. */
  void (*close)(void* file);
  /* Whether the caller is inside from now on. If so, it calls leave() with the same use. */
  bool (*enter)(void* file, void* use);
  void (*leave)(void* file, void* use);
  /* Once; nobody gets in any more when it returns. It does not wait for who is inside. */
  void (*revoke)(void* file);
  /* After revoke(): whether everybody is out. Someone about to be refused may count as inside. */
  bool (*drained)(void* file);
};

#ifdef __cplusplus
}

/* In the order of the table. */
std::span<const Candidate* const> AllCandidates();

/* The table of a class with Use, Enter(Use&), Leave(Use&), Revoke() and Drained(). */
template <class File>
constexpr Candidate MakeCandidate(const char* name) {
  using Use = typename File::Use;
  // NOLINTNEXTLINE(bugprone-sizeof-expression): it may be a pointer
  static_assert(sizeof(Use) <= kUseSize && alignof(Use) <= 16);
  return {
      .name = name,
      .open = []() -> void* { return new File; },
      .close = [](void* file) { delete static_cast<File*>(file); },
      .enter = [](void* file,
                  void* use) { return static_cast<File*>(file)->Enter(*static_cast<Use*>(use)); },
      .leave = [](void* file,
                  void* use) { static_cast<File*>(file)->Leave(*static_cast<Use*>(use)); },
      .revoke = [](void* file) { static_cast<File*>(file)->Revoke(); },
      .drained = [](void* file) { return static_cast<File*>(file)->Drained(); },
  };
}
#endif

#endif /* REVOKE_TOOLS_SCALING_CANDIDATE_H_ */
