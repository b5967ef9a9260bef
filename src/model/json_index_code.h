// The order of an index over documents: what lies at one place of a document, as bytes that sort as filters compare.
//
// Codes are coarse. Numbers are rounded to floats and long strings cut, so that values which differ may have one code;
// but a value that is less never has a greater one. So the codes between two bounds belong to all values between them,
// and to some others: who finds a document by its code looks at it again.
//
// A code tells where it ends, so that something may follow it. Codes live in memory only.
// Thread safety: pure functions. Ownership: results are the caller's.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "model/json_query.h"
#include "strata/value.h"

namespace strata::model {

// Of a string so many bytes count.
constexpr size_t kIndexedStringBytes = 64;
// The longest code: a type, the bytes, each perhaps escaped, and the end.
constexpr size_t kMaxIndexCodeBytes = 1 + 2 * kIndexedStringBytes + 2;

// Appends the code of an encoded value. False: the bytes hold none.
bool append_index_code(std::string_view encoded, std::string* out);

// How many of the bytes are the code that they begin with. REQUIRES: they begin with one.
size_t index_code_bytes(std::string_view bytes);

// Codes, half-open, as tree::KeyRange; where `begin` is not less than `end` there are none.
struct IndexCodes {
  std::string begin;
  std::string end;
  bool empty() const { return begin >= end; }
};
// Of all values.
IndexCodes all_index_codes();
// Of all values for which `value <comparison> literal` holds. REQUIRES: not kNotEqual, which what is missing fulfils,
// too; the literal is null, a boolean, a number or a string.
IndexCodes index_codes(JsonComparison comparison, const ValueToken& literal);
IndexCodes intersection(const IndexCodes& a, const IndexCodes& b);

}  // namespace strata::model
