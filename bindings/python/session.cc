#include "session.h"

#include <atomic>
#include <memory>
#include <vector>

namespace strata::python {
namespace {

// Tasks count up from 1, threads outside of a task are above them, so no two callers share a number.
constexpr uint64_t kNobody = 0;
constexpr uint64_t kOtherTask = ~uint64_t{0};

thread_local uint64_t calling_task = kNobody;
uint64_t task_ids = 0;

// Who calls outside of any task: a number of the thread's own, since the system uses the ids of threads again.
uint64_t thread_without_task() {
  static std::atomic<uint64_t> threads{0};
  thread_local const uint64_t number = ++threads;
  return number << 32;
}

// The asyncio task that runs in this thread, or nothing. Asks only if asyncio has been imported.
Ref running_task() {
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* asyncio = modules != nullptr ? PyDict_GetItemString(modules, "asyncio") : nullptr;
  if (asyncio == nullptr) return Ref();
  const Ref loop(PyObject_CallMethod(asyncio, "_get_running_loop", nullptr));
  Ref task(loop && loop.get() != Py_None ? PyObject_CallMethod(asyncio, "current_task", "O", loop.get()) : nullptr);
  PyErr_Clear();  // a loop that says nothing of its tasks has none for us
  return task && task.get() != Py_None ? std::move(task) : Ref();
}

bool is_owner(Handle* handle, PyObject* task) {
  if (handle->owner_task == nullptr) return false;
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* found = nullptr;
  const bool alive = PyWeakref_GetRef(handle->owner_task, &found) == 1;
  const Ref owner(found);
  return alive && found == task;
#else
  return PyWeakref_GetObject(handle->owner_task) == task;
#endif
}

// The destructor of the class. The engine's handle may wait for other threads, which may wait for the GIL.
void free_handle(PyObject* self) {
  auto* handle = reinterpret_cast<Handle*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(handle->owner_task);
  if (Session* session = std::exchange(handle->session, nullptr)) {
    GilReleased released;
    delete session;
  }
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* refuse_new(PyTypeObject*, PyObject*, PyObject*) {
  return raise_type("use Strata.open(path) or Strata.cache()");
}

constexpr char kSessionDoc[] =
    "The compiled part of a handle on a database; stratadb.Strata, which inherits from it, is the class to use.";

}  // namespace

CallingTask::CallingTask(Handle* handle, Ref* task) : set_(true) {
  *task = running_task();
  calling_task = !*task ? thread_without_task() : is_owner(handle, task->get()) ? handle->owner_id : ++task_ids;
}

uint64_t CallingTask::current() { return calling_task; }

void CallingTask::set(Handle* handle) {
  const Ref task = running_task();
  calling_task = !task ? thread_without_task() : is_owner(handle, task.get()) ? handle->owner_id : kOtherTask;
}

void CallingTask::clear() { calling_task = kNobody; }

PyObject* new_handle(PyTypeObject* type, std::unique_ptr<Session> session) {
  PyObject* made = type->tp_alloc(type, 0);
  if (made != nullptr) {
    reinterpret_cast<Handle*>(made)->session = session.release();
    return made;
  }
  GilReleased released;
  session.reset();
  return nullptr;
}

PyObject* make_session_type() {
  // Python keeps a pointer to this table.
  static std::vector<PyMethodDef> methods;
  if (methods.empty()) {
    for (const auto family : {handle_methods(), kv_methods(), state_methods(), event_methods(), json_methods(),
                              vector_methods(), branch_methods(), merge_methods(), bundle_methods(), space_methods(),
                              search_methods(), embedding_methods(), transaction_methods(), database_methods()}) {
      methods.insert(methods.end(), family.begin(), family.end());
    }
    methods.push_back({nullptr, nullptr, 0, nullptr});
  }
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>(kSessionDoc)},
      {Py_tp_new, reinterpret_cast<void*>(&refuse_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&free_handle)},
      {Py_tp_methods, methods.data()},
      {0, nullptr},
  };
  PyType_Spec spec = {"stratadb._native.Session", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return PyType_FromSpec(&spec);
}

}  // namespace strata::python
