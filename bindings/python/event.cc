// Session.event_*.
#include "strata/event.h"

#include <array>

#include "arguments.h"
#include "convert.h"
#include "pool.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kAppendDoc[] =
    R"(event_append($self, event_type, payload)
--

Appends an event and returns its sequence: 0, 1, 2 ... without gaps for each branch and space.

`event_type`: a str by the rules for keys. `payload`: a dict of what keys hold. Events are never changed. Outside of a
transaction an append takes the next sequence and conflicts with nothing; in one it conflicts with every other append to
the same log, since its sequence is told before the commit: use `db.run`.

Raises TypeError for a payload that is no dict; otherwise as `kv_put`.

>>> db.event_append("user_action", {"action": "click", "target": "button"})
0
>>> db.event_append("user_action", {"action": "scroll"})
1
)";

constexpr char kBatchAppendDoc[] =
    R"(event_batch_append($self, entries, *, progress=None)
--

Appends all of `entries`, an iterable of `(event_type, payload)`, in one commit and returns their sequences.

All or nothing. `progress(done, total)` is called before it takes effect; an exception in it ends the call and nothing
is appended. Errors as for `event_append`.

>>> db.event_batch_append([("step", {"n": 1}), ("step", {"n": 2})])
[0, 1]
)";

constexpr char kGetDoc[] =
    R"(event_get($self, sequence, *, as_of=None)
--

Returns the event of that sequence, or None if there is none.

An event is `{"sequence", "event_type", "value", "timestamp", "version", "hash"}`: `value` its payload, `timestamp` the
time of its first append in microseconds, `version` its sequence, `hash` the SHA-256 over it and its predecessor's in
hex. `timestamp` and `hash` of what the open transaction appended itself are None. Raises ValidationError
`out_of_range`; `as_of` as for `kv_get`.

>>> db.event_append("step", {"n": 1})
0
>>> event = db.event_get(0)
>>> event["event_type"], event["value"], len(event["hash"])
('step', {'n': 1}, 64)
)";

constexpr char kListDoc[] =
    R"(event_list($self, event_type, limit=None, after=None, *, reverse=False, since=None, until=None, as_of=None)
--

Returns the events of a type (None: of all types) as `event_get` does, oldest first, or newest first with `reverse`.

At most `limit` of them; only those whose sequence is greater than `after`, also with `reverse`; only those appended
first from `since` to `until`, both included and given as `as_of` is. Raises ValidationError `invalid_key`,
`out_of_range`; `as_of` as for `kv_get`.

>>> db.event_batch_append([("step", {"n": 1}), ("note", {}), ("step", {"n": 2})])
[0, 1, 2]
>>> [event["value"] for event in db.event_list("step")]
[{'n': 1}, {'n': 2}]
>>> [event["sequence"] for event in db.event_list(None, limit=2, reverse=True)]
[2, 1]
)";

constexpr char kLenDoc[] =
    R"(event_len($self, *, as_of=None)
--

Returns how many events there are, which is the next sequence.

`as_of` and errors as for `kv_get`.

>>> db.event_append("step", {"n": 1})
0
>>> db.event_len()
1
)";

constexpr char kTypesDoc[] =
    R"(event_types($self, *, as_of=None)
--

Returns the types that events have, sorted by their UTF-8 bytes.

It takes time by the number of types, not of events. `as_of` and errors as for `kv_get`.

>>> db.event_batch_append([("step", {}), ("note", {}), ("step", {})])
[0, 1, 2]
>>> db.event_types()
['note', 'step']
)";

constexpr char kVerifyDoc[] =
    R"(event_verify($self, *, as_of=None)
--

Computes the chain of hashes anew and returns `{"valid", "length", "first_bad"}`.

`first_bad` is the first sequence that does not fit, or None. Events of the open transaction have no hash yet and are
only counted. `as_of` and errors as for `kv_get`.

>>> db.event_append("step", {"n": 1})
0
>>> db.event_verify()
{'valid': True, 'length': 1, 'first_bad': None}
)";

constexpr Signature kAppend{"event_append", 2, 2, {"event_type", "payload"}};
constexpr Signature kBatchAppend{"event_batch_append", 1, 1, {"entries", "progress"}};
constexpr Signature kGet{"event_get", 1, 1, {"sequence", "as_of"}};
constexpr Signature kList{"event_list", 3, 1, {"event_type", "limit", "after", "reverse", "since", "until", "as_of"}};
constexpr Signature kLen{"event_len", 0, 0, {"as_of"}};
constexpr Signature kTypes{"event_types", 0, 0, {"as_of"}};
constexpr Signature kVerify{"event_verify", 0, 0, {"as_of"}};

// How many entries of a batch are converted between two calls of `progress`.
constexpr size_t kProgressStride = 4096;

// ---- events as dicts ----

PyObject* hex(std::string_view bytes) {
  PyObject* text = PyUnicode_New(static_cast<Py_ssize_t>(2 * bytes.size()), 127);
  if (text == nullptr) return nullptr;
  Py_UCS1* to = PyUnicode_1BYTE_DATA(text);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    *to++ = static_cast<Py_UCS1>("0123456789abcdef"[byte >> 4]);
    *to++ = static_cast<Py_UCS1>("0123456789abcdef"[byte & 15]);
  }
  return text;
}

// The names of an event's members; they live as long as the process.
enum Field : uint8_t { kSequence, kEventType, kValue, kTimestamp, kVersion, kHash, kFields };
constexpr std::array<const char*, kFields> kFieldNames = {"sequence",  "event_type", "value",
                                                          "timestamp", "version",    "hash"};

PyObject* field_name(Field field) {
  static std::array<PyObject*, kFields> names{};
  if (names[field] == nullptr) names[field] = PyUnicode_InternFromString(kFieldNames[field]);
  return names[field];
}

bool set_field(PyObject* dict, Field field, PyObject* value) { return set_named(dict, field_name(field), value); }

PyObject* dict_of(const EventView& event) {
  Ref dict(new_dict(kFields));
  Ref sequence(number(event.sequence));
  if (!dict || !sequence) return nullptr;
  const bool filled = set_field(dict.get(), kSequence, Py_NewRef(sequence.get())) &&
                      set_field(dict.get(), kEventType, decode_name(event.type)) &&
                      set_field(dict.get(), kValue, decode(event.payload)) &&
                      set_field(dict.get(), kTimestamp, optional_number(event.timestamp)) &&
                      set_field(dict.get(), kVersion, sequence.release()) &&
                      set_field(dict.get(), kHash, event.timestamp ? hex(event.hash) : Py_NewRef(Py_None));
  return filled ? dict.release() : nullptr;
}

// ---- arguments ----

// Null and None are "not given".
bool sequence_argument(PyObject* given, const char* what, std::optional<uint64_t>* sequence) {
  if (given == nullptr || given == Py_None) return true;
  int64_t found = 0;
  if (!integer_argument(given, what, 0, &found)) return false;
  *sequence = static_cast<uint64_t>(found);
  return true;
}

bool as_of_only(const Signature& signature, PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                AsOf* as_of) {
  Arguments given;
  return given.parse(signature, arguments, count, names) && time_argument(given[0], "as_of", as_of);
}

// Encodes an event's payload; a type that is refused is the error that is reported first.
bool encode_payload(std::string_view type, PyObject* payload, ValueWriter& out) {
  if (PyDict_Check(payload)) return encode_for(type, "event type", payload, out);
  const Status allowed = check_key(type, "event type");
  if (allowed.is_ok()) {
    raise_type("the payload of event '" + std::string(type) + "' must be a dict, not " + type_name(payload));
  } else {
    raise(allowed);
  }
  return false;
}

// ---- methods ----

PyObject* event_append(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view type;
  if (!given.parse(kAppend, arguments, count, names) || !text_argument(given[0], "event_type", &type)) return nullptr;
  Pooled<ValueWriter> writer;
  if (!encode_payload(type, given[1], *writer)) return nullptr;
  const auto sequence = run(handle, [&](Call& call) { return Events(call).append(type, writer->result()); });
  return sequence.is_ok() ? number(*sequence) : raise(sequence.status());
}

// The entries of a batch, encoded; the types belong to `kept`.
struct EncodedEvents {
  std::vector<Ref> kept;
  std::string payloads;
  std::vector<Events::Item> items;
};

// The type and payload of one entry, owned: converting the payload may run Python code that changes the entry.
bool split_entry(PyObject* entry, Ref* type, Ref* payload) {
  if ((!PyTuple_Check(entry) && !PyList_Check(entry)) || PySequence_Fast_GET_SIZE(entry) != 2) {
    raise_type("event_batch_append takes (event_type, payload) for each event, not " + type_name(entry));
    return false;
  }
  *type = Ref::borrow(PySequence_Fast_GET_ITEM(entry, 0));
  *payload = Ref::borrow(PySequence_Fast_GET_ITEM(entry, 1));
  return true;
}

bool encode_entries(PyObject* entries, PyObject* progress, EncodedEvents* encoded) {
  if (PyUnicode_Check(entries) || PyBytes_Check(entries) || PyDict_Check(entries)) {
    raise_type("event_batch_append takes an iterable of (event_type, payload), not " + type_name(entries));
    return false;
  }
  const Ref list(PySequence_List(entries));
  if (!list) return false;
  const auto total = static_cast<size_t>(PyList_GET_SIZE(list.get()));
  std::vector<size_t> ends;
  Pooled<ValueWriter> writer;
  while (ends.size() < total) {
    Ref type;
    Ref payload;
    Events::Item item;
    if (!split_entry(PyList_GET_ITEM(list.get(), static_cast<Py_ssize_t>(ends.size())), &type, &payload) ||
        !text_argument(type.get(), "event_type", &item.type) || !encode_payload(item.type, payload.get(), *writer)) {
      return false;
    }
    encoded->kept.push_back(std::move(type));
    encoded->items.push_back(item);
    encoded->payloads.append(writer->result());
    ends.push_back(encoded->payloads.size());
    const size_t done = ends.size();
    if (done % kProgressStride != 0) continue;
    if (PyErr_CheckSignals() != 0 || (done < total && !report(progress, done, total))) return false;
  }
  for (size_t i = 0, start = 0; i < ends.size(); start = ends[i], ++i) {
    encoded->items[i].payload = std::string_view(encoded->payloads).substr(start, ends[i] - start);
  }
  return report(progress, total, total);
}

PyObject* event_batch_append(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  PyObject* progress = nullptr;
  EncodedEvents encoded;
  if (!given.parse(kBatchAppend, arguments, count, names) || !progress_argument(given[1], &progress) ||
      !encode_entries(given[0], progress, &encoded)) {
    return nullptr;
  }
  const auto first = run(handle, [&](Call& call) { return Events(call).append_batch(encoded.items); });
  if (!first.is_ok()) return raise(first.status());
  return list_of(encoded.items.size(), [&](size_t i) { return number(*first + i); });
}

PyObject* event_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  int64_t sequence = 0;
  AsOf as_of;
  if (!given.parse(kGet, arguments, count, names) || !integer_argument(given[0], "sequence", 0, &sequence) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<EventList> events;
  const auto found = run(handle, [&](Call& call) {
    events->clear();
    return Events(call).get(static_cast<uint64_t>(sequence), as_of, &*events);
  });
  if (!found.is_ok()) return raise(found.status());
  return *found ? dict_of((*events)[0]) : Py_NewRef(Py_None);
}

PyObject* event_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  EventQuery query;
  if (!given.parse(kList, arguments, count, names) || !optional_text(given[0], "event_type", &query.type) ||
      !limit_argument(given[1], &query.limit) || !sequence_argument(given[2], "after", &query.after) ||
      (given[3] != nullptr && !flag_argument(given[3], &query.reverse)) ||
      !time_argument(given[4], "since", &query.since) || !time_argument(given[5], "until", &query.until) ||
      !time_argument(given[6], "as_of", &query.as_of)) {
    return nullptr;
  }
  Pooled<EventList> events;
  const Status status = run(handle, [&](Call& call) {
    events->clear();
    return Events(call).list(query, &*events);
  });
  if (!status.is_ok()) return raise(status);
  return list_of(events->size(), [&](size_t i) { return dict_of((*events)[i]); });
}

PyObject* event_len(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  AsOf as_of;
  if (!as_of_only(kLen, arguments, count, names, &as_of)) return nullptr;
  const auto length = run(handle, [&](Call& call) { return Events(call).length(as_of); });
  return length.is_ok() ? number(*length) : raise(length.status());
}

PyObject* event_types(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  AsOf as_of;
  if (!as_of_only(kTypes, arguments, count, names, &as_of)) return nullptr;
  const auto types = run(handle, [&](Call& call) { return Events(call).types(as_of); });
  return types.is_ok() ? list_of_names(*types) : raise(types.status());
}

PyObject* event_verify(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  AsOf as_of;
  if (!as_of_only(kVerify, arguments, count, names, &as_of)) return nullptr;
  const auto verdict = run_long(handle, [&](Call& call) { return Events(call).verify(as_of); });
  if (!verdict.is_ok()) return raise(verdict.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "valid", PyBool_FromLong(verdict->valid)) &&
                      set(dict.get(), "length", number(verdict->length)) &&
                      set(dict.get(), "first_bad", optional_number(verdict->first_bad));
  return filled ? dict.release() : nullptr;
}

}  // namespace

std::span<const PyMethodDef> event_methods() {
  static const PyMethodDef methods[] = {
      define<event_append>("event_append", kAppendDoc),
      define<event_batch_append>("event_batch_append", kBatchAppendDoc),
      define<event_get>("event_get", kGetDoc),
      define<event_list>("event_list", kListDoc),
      define<event_len>("event_len", kLenDoc),
      define<event_types>("event_types", kTypesDoc),
      define<event_verify>("event_verify", kVerifyDoc),
  };
  return methods;
}

}  // namespace strata::python
