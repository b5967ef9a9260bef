// Session.begin, commit, rollback, in_transaction.
#include "arguments.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kBeginDoc[] =
    R"(begin($self, read_only=False, *, isolation='serializable', message=None)
--

Starts a transaction: until `commit` or `rollback` this handle reads one moment of its branch, and its own writes.

It belongs to the thread and asyncio task that began it. `isolation="snapshot"` checks at the commit only what was
written, not what was read. `message` is kept with the commit. Raises StateError `transaction_active`,
`transaction_other_thread`; ValidationError `unknown_isolation`; NotFoundError `branch_not_found`.

>>> db.begin()
>>> db.kv_put("a", 1)
1
>>> timestamp = db.commit()
>>> db.kv_get("a")
1
)";

constexpr char kCommitDoc[] =
    R"(commit($self, message=None)
--

Makes the transaction's writes permanent and visible, all at once, and returns the commit's timestamp.

In microseconds since 1970; of the moment it read if nothing was written. `message` replaces the one given to `begin`.
Raises ConflictError `transaction_conflict` if a later commit changed what was read or written: the transaction is over
then and nothing of it remains. StateError `no_transaction`, `transaction_other_thread`.

>>> db.begin()
>>> db.kv_put("a", 1)
1
>>> db.commit("first") == db.info()["commit_timestamp"]
True
)";

constexpr char kRollbackDoc[] =
    R"(rollback($self)
--

Ends the transaction; nothing of it remains. Raises StateError `no_transaction`, `transaction_other_thread`.

>>> db.begin()
>>> db.kv_put("a", 1)
1
>>> db.rollback()
>>> db.kv_list()
[]
)";

constexpr char kInTransactionDoc[] =
    R"(in_transaction($self)
--

Returns whether this handle has an open transaction, whoever began it.

>>> db.in_transaction()
False
)";

constexpr char kTransactionIdDoc[] =
    R"(_transaction_id($self)
--

0 without a transaction, on a closed handle and in a forked child; else a number no other one ever had.
)";

constexpr Signature kBegin{"begin", 1, 0, {"read_only", "isolation", "message"}};
constexpr Signature kCommit{"commit", 1, 0, {"message"}};
constexpr Signature kRollback{"rollback", 0, 0, {}};
constexpr Signature kInTransaction{"in_transaction", 0, 0, {}};
constexpr Signature kTransactionId{"_transaction_id", 0, 0, {}};

std::optional<std::string> owned(const std::optional<std::string_view>& text) {
  return text ? std::optional<std::string>(*text) : std::nullopt;
}

bool isolation_argument(PyObject* given, Isolation* isolation) {
  std::string_view text;
  if (!text_argument(given, "isolation", &text)) return false;
  if (text != "serializable" && text != "snapshot") {
    const Ref shown(PyObject_Repr(given));
    std::string_view repr = "?";
    if (!shown || !text_argument(shown.get(), "isolation", &repr)) return false;
    raise(Code::kUnknownIsolation, std::string("isolation ") + std::string(repr.substr(0, 80)) + " is not known",
          "give 'serializable' or 'snapshot'");
    return false;
  }
  *isolation = text == "snapshot" ? Isolation::kSnapshot : Isolation::kSerializable;
  return true;
}

PyObject* begin(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  bool read_only = false;
  Isolation isolation = Isolation::kSerializable;
  std::optional<std::string_view> message;
  if (!given.parse(kBegin, arguments, count, names) || (given[0] != nullptr && !flag_argument(given[0], &read_only)) ||
      (given[1] != nullptr && !isolation_argument(given[1], &isolation)) ||
      !optional_text(given[2], "message", &message)) {
    return nullptr;
  }
  Ref task;
  const CallingTask caller(handle, &task);
  // Made beforehand: once the transaction is open nothing may fail.
  Ref reference(task ? PyWeakref_NewRef(task.get(), nullptr) : nullptr);
  if (task && !reference) return nullptr;
  const Status status = in_call(handle, [&](Call& call) { return call.begin(read_only, isolation, owned(message)); });
  if (!status.is_ok()) return raise(status);
  handle->may_be_in_transaction = true;
  handle->owner_id = CallingTask::current();
  Py_XSETREF(handle->owner_task, reference.release());
  Py_RETURN_NONE;
}

// After a call that may have ended the transaction.
void note_end(Handle* handle) { handle->may_be_in_transaction = handle->session->transaction_id() != 0; }

PyObject* commit(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> message;
  if (!given.parse(kCommit, arguments, count, names) || !optional_text(given[0], "message", &message)) return nullptr;
  const auto timestamp = run(handle, [&](Call& call) { return call.commit(owned(message)); });
  note_end(handle);
  return timestamp.is_ok() ? number(*timestamp) : raise(timestamp.status());
}

PyObject* rollback(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kRollback, arguments, count, names)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return call.rollback(); });
  note_end(handle);
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* in_transaction(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kInTransaction, arguments, count, names)) return nullptr;
  const auto open = handle->session->in_transaction();
  return open.is_ok() ? PyBool_FromLong(*open) : raise(open.status());
}

PyObject* transaction_id(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kTransactionId, arguments, count, names)) return nullptr;
  return number(handle->session->transaction_id());
}

}  // namespace

std::span<const PyMethodDef> transaction_methods() {
  static const PyMethodDef methods[] = {
      define<begin>("begin", kBeginDoc),
      define<commit>("commit", kCommitDoc),
      define<rollback>("rollback", kRollbackDoc),
      define<in_transaction>("in_transaction", kInTransactionDoc),
      define<transaction_id>("_transaction_id", kTransactionIdDoc),
  };
  return methods;
}

}  // namespace strata::python
