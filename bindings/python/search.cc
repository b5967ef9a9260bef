// Session.search.
#include "strata/search.h"

#include <algorithm>
#include <array>

#include "arguments.h"
#include "convert.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kSearchDoc[] =
    R"(search($self, query, k=10, primitives=None, *, spaces=None, mode='keyword', vector=None, collection=None, as_of=None)
--

Finds what was written by its words: the at most `k` best hits, best first.

Each is `{"primitive", "entity", "score", "rank", "snippet", "space"}`; `entity` is what the primitive's `get` takes.
The query is words, of which one at least must occur, `"phrases"`, which must, and `-words`, which must not; `prefix*` and
`field:word` find beginnings of words and words under a member's name. Any text is a query. Searched are keys, cells,
JSON documents, events and metadata of vectors, or those of them that `primitives` names, in the current space or the
`spaces` given. A search sees every commit at once, and inside a transaction its own writes.

Only mode "keyword" is part of this release. Raises ValidationError `unknown_primitive`, `unknown_mode`, `out_of_range`,
`invalid_argument`, `invalid_space_name`; NotFoundError `space_not_found`; StateError `not_implemented`; `as_of` as for
`kv_get`.

>>> db.kv_put("note", "The quick brown fox jumps over the lazy dog")
1
>>> [(hit["entity"], hit["snippet"]) for hit in db.search("jumping")]
[('note', 'The quick brown fox **jumps** over the lazy dog')]
)";

constexpr Signature kSearch{
    "search", 3, 1, {"query", "k", "primitives", "spaces", "mode", "vector", "collection", "as_of"}};

// In the order of SearchPrimitive.
constexpr std::array<const char*, 5> kPrimitives = {"event", "json", "kv", "state", "vector"};

// A str as a message shows it: its beginning, in ASCII.
std::string shown(PyObject* text) {
  const Ref ascii(PyObject_ASCII(text));
  const char* bytes = ascii ? PyUnicode_AsUTF8(ascii.get()) : nullptr;
  if (bytes == nullptr) {
    PyErr_Clear();
    return "'?'";
  }
  return std::string(bytes).substr(0, 80);
}

bool is_given(PyObject* given) { return given != nullptr && given != Py_None; }

bool primitives_argument(PyObject* given, SearchRequest* request) {
  if (!is_given(given)) return true;
  Ref list;
  std::vector<std::string_view> names;
  if (!keys_argument(given, &list, &names, "primitives")) return false;
  request->primitives.emplace();
  for (size_t i = 0; i < names.size(); ++i) {
    const auto found = std::find(kPrimitives.begin(), kPrimitives.end(), names[i]);
    if (found == kPrimitives.end()) {
      raise(Code::kUnknownPrimitive,
            "primitive " + shown(PySequence_Fast_GET_ITEM(list.get(), static_cast<Py_ssize_t>(i))) + " is not known",
            "event, json, kv, state, vector");
      return false;
    }
    request->primitives->push_back(static_cast<SearchPrimitive>(found - kPrimitives.begin()));
  }
  return true;
}

bool mode_argument(const Arguments& given) {
  std::string_view mode = "keyword";
  if (given[4] != nullptr && !text_argument(given[4], "mode", &mode)) return false;
  if (mode != "keyword" && mode != "hybrid" && mode != "semantic") {
    raise(Code::kUnknownMode, "search mode " + shown(given[4]) + " is not known", "keyword, hybrid, semantic");
    return false;
  }
  if (mode != "keyword") {
    raise(Code::kNotImplemented, "search with mode='" + std::string(mode) + "' is not part of this release",
          "mode='keyword'");
    return false;
  }
  if (is_given(given[5]) || is_given(given[6])) {
    raise(Code::kInvalidArgument, "mode='keyword' takes neither vector nor collection", "leave them out");
    return false;
  }
  return true;
}

PyObject* entity_of(const SearchHit& hit) {
  if (hit.primitive == SearchPrimitive::kEvent) return number(hit.sequence);
  if (hit.primitive != SearchPrimitive::kVector) return decode_text(hit.key);
  const std::string_view key = hit.key;
  const size_t cut = std::min(key.find('\0'), key.size());
  const Ref collection(decode_text(key.substr(0, cut)));
  const Ref name(decode_text(key.substr(std::min(cut + 1, key.size()))));
  return collection && name ? PyTuple_Pack(2, collection.get(), name.get()) : nullptr;
}

// The names of a hit's members; they live as long as the process.
PyObject* member(size_t index) {
  static constexpr std::array<const char*, 6> kNames = {"primitive", "entity", "score", "rank", "snippet", "space"};
  static std::array<PyObject*, kNames.size()> names{};
  if (names[index] == nullptr) names[index] = PyUnicode_InternFromString(kNames[index]);
  return names[index];
}

PyObject* dict_of(const SearchHit& hit, size_t rank) {
  Ref dict(new_dict(6));
  if (!dict) return nullptr;
  const bool filled = set_named(dict.get(), member(0), decode_name(kPrimitives[static_cast<size_t>(hit.primitive)])) &&
                      set_named(dict.get(), member(1), entity_of(hit)) &&
                      set_named(dict.get(), member(2), PyFloat_FromDouble(hit.score)) &&
                      set_named(dict.get(), member(3), number(rank)) &&
                      set_named(dict.get(), member(4), decode_text(hit.snippet)) &&
                      set_named(dict.get(), member(5), decode_name(hit.space));
  return filled ? dict.release() : nullptr;
}

PyObject* search(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  SearchRequest request;
  int64_t k = 10;
  Ref space_list;
  std::vector<std::string_view> spaces;
  if (!given.parse(kSearch, arguments, count, names) || !text_argument(given[0], "query", &request.query) ||
      (given[1] != nullptr && !integer_argument(given[1], "k", 1, &k)) || !primitives_argument(given[2], &request) ||
      (is_given(given[3]) && !keys_argument(given[3], &space_list, &spaces, "spaces")) || !mode_argument(given) ||
      !time_argument(given[7], "as_of", &request.as_of)) {
    return nullptr;
  }
  request.k = static_cast<uint64_t>(k);
  if (is_given(given[3])) request.spaces = std::move(spaces);
  const auto hits = run(handle, [&](Call& call) { return Search(call).search(request); });
  if (!hits.is_ok()) return raise(hits.status());
  return list_of(hits->size(), [&](size_t i) { return dict_of((*hits)[i], i + 1); });
}

}  // namespace

std::span<const PyMethodDef> search_methods() {
  static const PyMethodDef methods[] = {define<search>("search", kSearchDoc)};
  return methods;
}

}  // namespace strata::python
