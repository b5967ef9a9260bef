// Session.search.
#include "strata/search.h"

#include <algorithm>
#include <array>

#include "arguments.h"
#include "convert.h"
#include "embedding.h"
#include "floats.h"
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

`mode="semantic"` ranks by nearness, "hybrid" by both: by 1 / (60 + rank) in either ranking. What is near, says the
`embedder` given at open of all that is searched, or else `vector`, compared with the vectors of `collection` in the
current space. A hit then also has `"ranks": {"keyword": int | None, "vector": int | None}`, its places in the two.

Raises ValidationError `unknown_primitive`, `unknown_mode`, `out_of_range`, `invalid_argument`, `invalid_space_name`,
`invalid_embedding`; NotFoundError `space_not_found`; StateError `embedder_failed`; of vector and collection as for
`vector_search`; `as_of` as for `kv_get`.

>>> db.kv_put("note", "The quick brown fox jumps over the lazy dog")
1
>>> [(hit["entity"], hit["snippet"]) for hit in db.search("jumping")]
[('note', 'The quick brown fox **jumps** over the lazy dog')]
)";

constexpr Signature kSearch{
    "search", 3, 1, {"query", "k", "primitives", "spaces", "mode", "vector", "collection", "as_of"}};

constexpr char kSearchByMeaningDoc[] =
    "_search_by_meaning($self, run, query, k, primitives, spaces, mode, as_of)\n--\n\n"
    "As search, with an embedder; None while the run wants vectors of texts.";

constexpr Signature kSearchByMeaning{
    "_search_by_meaning", 7, 7, {"run", "query", "k", "primitives", "spaces", "mode", "as_of"}};

// In the order of SearchPrimitive.
constexpr std::array<const char*, 5> kPrimitives = {"event", "json", "kv", "state", "vector"};
// In the order of SearchMode.
constexpr std::array<std::string_view, 3> kModes = {"keyword", "hybrid", "semantic"};

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

bool mode_argument(PyObject* given, SearchMode* mode) {
  std::string_view name = "keyword";
  if (given != nullptr && !text_argument(given, "mode", &name)) return false;
  const auto found = std::find(kModes.begin(), kModes.end(), name);
  if (found == kModes.end()) {
    raise(Code::kUnknownMode, "search mode " + shown(given) + " is not known", "keyword, hybrid, semantic");
    return false;
  }
  *mode = static_cast<SearchMode>(found - kModes.begin());
  return true;
}

// What nearness is measured to; *values keeps it.
bool nearness_arguments(PyObject* vector, PyObject* collection, SearchRequest* request, std::vector<float>* values) {
  if (request->mode == SearchMode::kKeyword) {
    if (!is_given(vector) && !is_given(collection)) return true;
    raise(Code::kInvalidArgument, "mode='keyword' takes neither vector nor collection", "leave them out");
    return false;
  }
  if (!is_given(vector) || !is_given(collection)) {
    raise(Code::kInvalidArgument, "vector and collection go together", "give both, or neither and an embedder at open");
    return false;
  }
  if (!text_argument(collection, "collection", &request->collection) || !append_vector(vector, "vector", values)) {
    return false;
  }
  request->vector = *values;
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
  static constexpr std::array<const char*, 9> kNames = {"primitive", "entity", "score",   "rank",  "snippet",
                                                        "space",     "ranks",  "keyword", "vector"};
  static std::array<PyObject*, kNames.size()> names{};
  if (names[index] == nullptr) names[index] = PyUnicode_InternFromString(kNames[index]);
  return names[index];
}

PyObject* dict_of(const SearchRanks& ranks) {
  Ref dict(new_dict(2));
  const bool filled = dict && set_named(dict.get(), member(7), optional_number(ranks.keyword)) &&
                      set_named(dict.get(), member(8), optional_number(ranks.vector));
  return filled ? dict.release() : nullptr;
}

PyObject* dict_of(const SearchHit& hit, size_t rank, SearchMode mode) {
  Ref dict(new_dict(7));
  if (!dict) return nullptr;
  const bool filled = set_named(dict.get(), member(0), decode_name(kPrimitives[static_cast<size_t>(hit.primitive)])) &&
                      set_named(dict.get(), member(1), entity_of(hit)) &&
                      set_named(dict.get(), member(2), PyFloat_FromDouble(hit.score)) &&
                      set_named(dict.get(), member(3), number(rank)) &&
                      set_named(dict.get(), member(4), decode_text(hit.snippet)) &&
                      set_named(dict.get(), member(5), decode_name(hit.space)) &&
                      (mode == SearchMode::kKeyword || set_named(dict.get(), member(6), dict_of(hit.ranks)));
  return filled ? dict.release() : nullptr;
}

PyObject* list_of_hits(const std::vector<SearchHit>& hits, SearchMode mode) {
  return list_of(hits.size(), [&](size_t i) { return dict_of(hits[i], i + 1, mode); });
}

// Strata._search_with_embedder(query, k, primitives, spaces, mode, as_of), which answers by way of _search_by_meaning.
PyObject* ask_embedder(Handle* handle, const Arguments& given) {
  const auto open = handle->session->ping();
  if (!open.is_ok()) return raise(open.status());
  const auto or_none = [](PyObject* argument) { return argument != nullptr ? argument : Py_None; };
  const Ref k(given[1] != nullptr ? Ref::borrow(given[1]) : Ref(PyLong_FromLong(10)));
  if (!k) return nullptr;
  return PyObject_CallMethod(reinterpret_cast<PyObject*>(handle), "_search_with_embedder", "OOOOOO", given[0], k.get(),
                             or_none(given[2]), or_none(given[3]), given[4], or_none(given[7]));
}

PyObject* search(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  SearchRequest request;
  int64_t k = 10;
  Ref space_list;
  std::vector<std::string_view> spaces;
  std::vector<float> vector;
  if (!given.parse(kSearch, arguments, count, names) || !mode_argument(given[4], &request.mode)) return nullptr;
  if (request.mode != SearchMode::kKeyword && !is_given(given[5]) && !is_given(given[6])) {
    return ask_embedder(handle, given);
  }
  if (!text_argument(given[0], "query", &request.query) ||
      (given[1] != nullptr && !integer_argument(given[1], "k", 1, &k)) || !primitives_argument(given[2], &request) ||
      (is_given(given[3]) && !keys_argument(given[3], &space_list, &spaces, "spaces")) ||
      !nearness_arguments(given[5], given[6], &request, &vector) || !time_argument(given[7], "as_of", &request.as_of)) {
    return nullptr;
  }
  request.k = static_cast<uint64_t>(k);
  if (is_given(given[3])) request.spaces = std::move(spaces);
  const auto find = [&](Call& call) { return Search(call).search(request); };
  const auto hits = request.mode == SearchMode::kKeyword ? run(handle, find) : run_long(handle, find);
  if (!hits.is_ok()) return raise(hits.status());
  return list_of_hits(*hits, request.mode);
}

PyObject* search_by_meaning(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  SearchRequest request;
  int64_t k = 10;
  Ref space_list;
  std::vector<std::string_view> spaces;
  if (!given.parse(kSearchByMeaning, arguments, count, names) || !embedding_run(given[0], &request.embedding) ||
      !text_argument(given[1], "query", &request.query) || !integer_argument(given[2], "k", 1, &k) ||
      !primitives_argument(given[3], &request) ||
      (is_given(given[4]) && !keys_argument(given[4], &space_list, &spaces, "spaces")) ||
      !mode_argument(given[5], &request.mode) || !time_argument(given[6], "as_of", &request.as_of)) {
    return nullptr;
  }
  request.k = static_cast<uint64_t>(k);
  if (is_given(given[4])) request.spaces = std::move(spaces);
  const auto hits = run_long(handle, [&](Call& call) { return Search(call).search(request); });
  if (!hits.is_ok()) return raise(hits.status());
  return request.embedding->wanted().empty() ? list_of_hits(*hits, request.mode) : Py_NewRef(Py_None);
}

}  // namespace

std::span<const PyMethodDef> search_methods() {
  static const PyMethodDef methods[] = {
      define<search>("search", kSearchDoc),
      define<search_by_meaning>("_search_by_meaning", kSearchByMeaningDoc),
  };
  return methods;
}

}  // namespace strata::python
