#include "tree/epoch.h"

#include <vector>

#include "base/mutex.h"

namespace strata::tree {

// A growing list of slots: readers of the list walk it without a lock, slots are never freed before it.
struct EpochDomain::Slots {
  static constexpr uint32_t kChunkSlots = 32;
  struct Chunk {
    EpochSlot slots[kChunkSlots];
    std::atomic<Chunk*> next{nullptr};
  };

  ~Slots() {
    for (Chunk* chunk = first.next.load(); chunk != nullptr;) {
      Chunk* next = chunk->next.load();
      delete chunk;
      chunk = next;
    }
  }

  EpochSlot* take() {
    base::MutexLock lock(mutex);
    Chunk* chunk = &first;
    for (uint32_t index = 0;;) {
      for (EpochSlot& slot : chunk->slots) {
        ++index;
        if (slot.taken.load(std::memory_order_acquire)) continue;
        slot.taken.store(true, std::memory_order_relaxed);
        slot.depth = 0;
        if (used.load() < index) used.store(index);
        return &slot;
      }
      if (chunk->next.load() == nullptr) chunk->next.store(new Chunk, std::memory_order_release);
      chunk = chunk->next.load();
    }
  }

  base::Mutex mutex;              // serializes taking
  std::atomic<uint32_t> used{0};  // slots behind this many were never taken
  Chunk first;
};

namespace {

// The slots that one thread holds, by instance.
class ThreadSlots {
 public:
  ~ThreadSlots() {
    for (Entry& entry : entries_) give_back(entry);
  }

  EpochSlot* find(uint64_t serial) const {
    for (const Entry& entry : entries_) {
      if (entry.serial == serial) return entry.slot;
    }
    return nullptr;
  }

  void add(uint64_t serial, EpochSlot* slot, std::shared_ptr<EpochDomain::Slots> owner) {
    // A chance to forget instances that are gone.
    std::erase_if(entries_, [](const Entry& entry) { return entry.owner.use_count() == 1; });
    entries_.push_back({serial, slot, std::move(owner)});
  }

 private:
  struct Entry {
    uint64_t serial;
    EpochSlot* slot;
    std::shared_ptr<EpochDomain::Slots> owner;
  };
  static void give_back(Entry& entry) {
    entry.slot->epoch.store(0, std::memory_order_release);
    entry.slot->taken.store(false, std::memory_order_release);
  }
  std::vector<Entry> entries_;
};

thread_local ThreadSlots thread_slots;
// The one used last, without a search.
thread_local uint64_t last_serial = 0;
thread_local EpochSlot* last_slot = nullptr;

std::atomic<uint64_t> next_serial{1};

}  // namespace

EpochDomain::EpochDomain() : serial_(next_serial.fetch_add(1)), slots_(std::make_shared<Slots>()) {}
EpochDomain::~EpochDomain() = default;

EpochSlot* EpochDomain::my_slot() const {
  if (last_serial == serial_) return last_slot;
  EpochSlot* slot = thread_slots.find(serial_);
  if (slot == nullptr) {
    slot = slots_->take();
    thread_slots.add(serial_, slot, slots_);
  }
  last_serial = serial_;
  last_slot = slot;
  return slot;
}

uint64_t EpochDomain::oldest_reader() const {
  uint64_t oldest = ~uint64_t{0};
  uint32_t left = slots_->used.load(std::memory_order_seq_cst);
  for (const Slots::Chunk* chunk = &slots_->first; left > 0; chunk = chunk->next.load(std::memory_order_acquire)) {
    const uint32_t here = left < Slots::kChunkSlots ? left : Slots::kChunkSlots;
    for (uint32_t i = 0; i < here; ++i) {
      const uint64_t epoch = chunk->slots[i].epoch.load(std::memory_order_seq_cst);
      if (epoch != 0 && epoch < oldest) oldest = epoch;
    }
    left -= here;
  }
  return oldest;
}

}  // namespace strata::tree
