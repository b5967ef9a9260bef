// JSON documents: values that are read and written at a path inside of them. A document is named like a key and counts
// its versions as a whole: one a commit, however much of it changes.
//
// Paths are JSONPaths (RFC 9535), and singular ones, `$.users[0]['first name']`, names and indexes alone, where one
// place is meant. Errors of all that take one: kInvalidPath; kPathNotSingular for one to many places where one is
// needed. Of all that take any: kQueryTooCostly, when it would look at too much or find too much. Values are in the
// binary form of strata/value.h (REQUIRES: valid).
//
// Works on the session's current branch and space, in its open transaction or as a commit of its own. Outside of a
// transaction a change meets the newest document, so it conflicts with nothing.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/key_list.h"
#include "strata/session.h"

namespace strata {

// One operation of a patch (RFC 6902); members that its `op` does not use are ignored.
struct JsonOperation {
  std::string_view op;                   // add, remove, replace, move, copy, test
  std::optional<std::string_view> path;  // JSON Pointers (RFC 6901)
  std::optional<std::string_view> from;
  std::optional<std::string_view> value;
};

// An index for Json::find: of what lies at `path` in the documents of a space.
struct JsonIndexInfo {
  std::string name;
  std::string path;
};

class Json {
 public:
  explicit Json(Call& call) : call_(call) {}

  // Puts `value` at the path and returns the document's new version. Names that are missing on the way become objects,
  // an index equal to an array's length appends. Errors, and then nothing is changed: kPathConflict for what does not
  // fit, kNestingTooDeep and kValueTooLarge of the whole document, kInvalidKey, kReadOnly, kTransactionTooLarge.
  Result<uint64_t> set(std::string_view key, std::string_view path, std::string_view value);
  // Fills *value (its memory is reused) with what lies at the path; version and timestamp are the document's. Nothing
  // if there is nothing. Errors: kInvalidKey, kHistoryTrimmed.
  Result<std::optional<VersionedValue>> get(std::string_view key, std::string_view path, AsOf as_of,
                                            std::string* value);
  // Fills *matches, without keys, with all that a path selects, in order, some of it perhaps several times.
  // Errors: kInvalidKey, kHistoryTrimmed.
  Status select(std::string_view key, std::string_view path, AsOf as_of, RowList* matches);
  // How many distinct nodes any path selects, which are removed, those inside of others counted too; the root is the
  // whole document.
  Result<uint64_t> erase(std::string_view key, std::string_view path);
  // The keys of documents in order. Nothing as limit: all.
  Status list(std::string_view prefix, std::optional<uint64_t> limit, AsOf as_of, KeyList* keys);
  // Adds the documents of the space for which a condition holds, whole, in the order of their keys, up to `limit` of
  // them. `condition`: an RFC 9535 filter, `@.age > 3`, or the same as `$[?@.age > 3]`; `@` is the document, `$` an
  // array of it alone. Where an index fits and few documents do, only those that it names are looked at. Errors:
  // kInvalidPath, kQueryTooCostly (for one document), kHistoryTrimmed.
  Status find(std::string_view condition, std::optional<uint64_t> limit, AsOf as_of, RowList* found);
  // Whole documents, newest first; false: it never existed.
  Result<bool> history(std::string_view key, AsOf as_of, RowList* versions);

  // RFC 7396 at the path; what is missing on the way is made as by set. Errors as set.
  Result<uint64_t> merge(std::string_view key, std::string_view patch, std::string_view path);
  // RFC 6902: all operations or none. Errors: kDocumentNotFound, kInvalidPatch, kPatchTestFailed, and as set.
  Result<uint64_t> patch(std::string_view key, std::span<const JsonOperation> operations);
  // One commit, all or nothing, in the order given: later items see what earlier ones did. Each item is answered with
  // its document's new version.
  struct Item {
    std::string_view key;
    std::string_view path;
    std::string_view value;
  };
  Result<std::vector<uint64_t>> set_batch(std::span<const Item> items);

  // ---- indexes ---- data of the branch, named like keys; what they hold follows from the documents, and they change
  // no answer.
  // Of the current space; `path` is singular. Errors: kIndexExists, kInvalidKey, kReadOnly.
  Status create_index(std::string_view name, std::string_view path);
  // By name. Errors: kHistoryTrimmed.
  Result<std::vector<JsonIndexInfo>> list_indexes(AsOf as_of);
  // Whether there was one. Errors: kInvalidKey, kReadOnly.
  Result<bool> drop_index(std::string_view name);

 private:
  Call& call_;
};

}  // namespace strata
