// Session._embedding_run, _embedding_wanted, _embedding_add, _embedding_follow: what the Python side of an embedder,
// which alone calls it, needs of the engine.
#include "embedding.h"

#include <memory>

#include "arguments.h"
#include "convert.h"
#include "floats.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kCapsuleName[] = "stratadb.embedding_run";

constexpr char kRunDoc[] =
    "_embedding_run($self, embedder, keep)\n--\n\n"
    "A new run for the embedder of that number. `keep`: it searches, and keeps the database open until it is "
    "collected.";
constexpr char kWantedDoc[] = "_embedding_wanted($self, run)\n--\n\nThe texts that need a vector, a list of str.";
constexpr char kAddDoc[] =
    "_embedding_add($self, run, first, count, vectors)\n--\n\nThe vectors of `count` wanted texts, from `first` on.";
constexpr char kFollowDoc[] =
    "_embedding_follow($self, run)\n--\n\nHas the run want what documents of the current space lack.";

constexpr Signature kRun{"_embedding_run", 2, 2, {"embedder", "keep"}};
constexpr Signature kWanted{"_embedding_wanted", 1, 1, {"run"}};
constexpr Signature kAdd{"_embedding_add", 4, 4, {"run", "first", "count", "vectors"}};
constexpr Signature kFollow{"_embedding_follow", 1, 1, {"run"}};

struct KeptRun {
  explicit KeptRun(uint64_t embedder) : run(embedder) {}
  std::unique_ptr<Session> session;  // null: the database may close meanwhile
  EmbeddingRun run;                  // let go of first
};

void free_run(PyObject* capsule) {
  auto* kept = static_cast<KeptRun*>(PyCapsule_GetPointer(capsule, kCapsuleName));
  if (kept == nullptr) return PyErr_Clear();
  // In a child made by os.fork the locks of the engine may be held for ever.
  if (kept->session != nullptr && kept->session->forked()) return;
  GilReleased released;
  delete kept;
}

PyObject* new_run(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  int64_t embedder = 0;
  bool keep = false;
  if (!given.parse(kRun, arguments, count, names) || !integer_argument(given[0], "embedder", 0, &embedder) ||
      !flag_argument(given[1], &keep)) {
    return nullptr;
  }
  auto made = std::make_unique<KeptRun>(static_cast<uint64_t>(embedder));
  if (keep) {
    auto session = run_released([&] { return handle->session->session(); });
    if (!session.is_ok()) return raise(session.status());
    made->session = std::move(*session);
  }
  PyObject* capsule = PyCapsule_New(made.get(), kCapsuleName, &free_run);
  if (capsule != nullptr) (void)made.release();
  return capsule;
}

PyObject* wanted(Handle*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  EmbeddingRun* run = nullptr;
  if (!given.parse(kWanted, arguments, count, names) || !embedding_run(given[0], &run)) return nullptr;
  return list_of(run->wanted().size(), [&](size_t i) { return decode_text(run->wanted()[i]); });
}

PyObject* add(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  EmbeddingRun* embedding = nullptr;
  int64_t first = 0;
  int64_t texts = 0;
  FloatRows rows;
  if (!given.parse(kAdd, arguments, count, names) || !embedding_run(given[0], &embedding) ||
      !integer_argument(given[1], "first", 0, &first) || !integer_argument(given[2], "count", 0, &texts) ||
      !rows_argument(given[3], "the embedder's answer", &rows)) {
    return nullptr;
  }
  if (rows.rows != static_cast<size_t>(texts)) {
    return raise(Code::kInvalidEmbedding,
                 "the embedder made " + std::to_string(rows.rows) + " vectors of " + std::to_string(texts) + " texts",
                 "an embedder returns one vector for each text");
  }
  const Status added = run_long(handle, [&](Call& call) {
    return Embedding(call).add(embedding, static_cast<size_t>(first), rows.values, rows.columns);
  });
  return added.is_ok() ? Py_NewRef(Py_None) : raise(added);
}

PyObject* follow(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  EmbeddingRun* embedding = nullptr;
  if (!given.parse(kFollow, arguments, count, names) || !embedding_run(given[0], &embedding)) return nullptr;
  const Status followed = run_long(handle, [&](Call& call) { return Embedding(call).follow(embedding); });
  return followed.is_ok() ? Py_NewRef(Py_None) : raise(followed);
}

}  // namespace

bool embedding_run(PyObject* given, EmbeddingRun** run) {
  auto* kept = static_cast<KeptRun*>(PyCapsule_GetPointer(given, kCapsuleName));
  if (kept != nullptr) *run = &kept->run;
  return kept != nullptr;
}

std::span<const PyMethodDef> embedding_methods() {
  static const PyMethodDef methods[] = {
      define<new_run>("_embedding_run", kRunDoc),
      define<wanted>("_embedding_wanted", kWantedDoc),
      define<add>("_embedding_add", kAddDoc),
      define<follow>("_embedding_follow", kFollowDoc),
  };
  return methods;
}

}  // namespace strata::python
