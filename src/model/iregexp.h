// Regular expressions as JSONPath has them: I-Regexp (RFC 9485), with ^ and $ for the ends of the text. A pattern
// becomes a small program; all of its ways through the text are followed at once, so a text of n characters takes time
// proportional to n times the size of the program, whatever the pattern.
//
// Thread safety: unchanging once made. Ownership: keeps nothing of the text it was made from.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace strata::model {

class IRegexp {
 public:
  // The program of a larger pattern would have more instructions.
  static constexpr size_t kMaxProgram = 10'000;

  explicit IRegexp(std::string_view pattern);

  // Whether the pattern is one. Others match nothing.
  bool valid() const { return problem_ == Problem::kNone; }
  // Whether it is well-formed, but larger than what is allowed.
  bool too_large() const { return problem_ == Problem::kTooLarge; }

  enum class Answer : uint8_t { kNo, kYes, kGaveUp };
  // Whether all of `text`, or some part of it, matches. Takes what it costs from *steps; gives up when nothing is left.
  // REQUIRES: valid().
  Answer matches(std::string_view text, uint64_t* steps) const { return run(text, true, steps); }
  Answer found_in(std::string_view text, uint64_t* steps) const { return run(text, false, steps); }

 private:
  friend class IRegexpParser;
  class Run;
  enum class Problem : uint8_t { kNone, kMalformed, kTooLarge };
  enum class Op : uint8_t { kScalar, kAny, kClass, kSplit, kJump, kBegin, kEnd };
  // Ways go from one instruction to the next, or by `a` (and `b`) instructions.
  struct Instruction {
    Op op;
    int32_t a = 0;  // the scalar; the number of the class; where to
    int32_t b = 0;
  };
  struct Class {
    bool negated = false;
    uint32_t categories = 0;  // a bit each
    std::vector<std::pair<uint32_t, uint32_t>> ranges;
    bool holds(uint32_t scalar) const;
  };
  using Program = std::vector<Instruction>;

  Answer run(std::string_view text, bool whole, uint64_t* steps) const;

  Problem problem_ = Problem::kNone;
  Program program_;
  std::vector<Class> classes_;
};

}  // namespace strata::model
