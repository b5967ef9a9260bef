// Walks through the record of a CrashFileSystem and builds, at any point, images of what the disk may hold if the
// process or the machine stops there. Images are file tables over shared pages: cheap enough for tens of thousands.
//
// Thread safety: none. Ownership: borrows the CrashFileSystem, which nobody may call while a player reads it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "testing/crash_fs.h"
#include "testing/random.h"

namespace strata::testing {

// What became of the changes that were not synced.
enum class Loss : uint8_t {
  kNothing,      // the process was killed: all that it wrote is there
  kTornLast,     // the process was killed within its last write: a part of that is there
  kUnsynced,     // power cut: nothing is there but what was synced
  kSubset,       // power cut: any of them are there, others not, whatever their order
  kTornBytes,    // as kSubset, and what is there may end at any byte
  kTornSectors,  // power cut: every sector of every write is there or not by itself
  kLengthOnly,   // power cut: names and lengths are there, bytes of some writes read as zeros
  // As kLengthOnly, but new blocks hold what a removed file held in the same place. Only file systems that journal
  // nothing do that; not part of kAllLosses.
  kStaleBlocks,
};
// Those that every file system may show.
constexpr Loss kAllLosses[] = {Loss::kNothing,   Loss::kTornLast,    Loss::kUnsynced,  Loss::kSubset,
                               Loss::kTornBytes, Loss::kTornSectors, Loss::kLengthOnly};
std::string_view loss_name(Loss loss);
// Whatever the operating system was handed is still there (but for a last, unfinished write).
constexpr bool keeps_written(Loss loss) { return loss == Loss::kNothing || loss == Loss::kTornLast; }

class CrashPlayer {
 public:
  explicit CrashPlayer(const CrashFileSystem& system);

  // The number of crash points is last() + 1: before each event, and after all.
  uint64_t last() const { return system_.events().size(); }
  uint64_t position() const { return position_; }
  // REQUIRES: position() <= point <= last().
  void advance_to(uint64_t point);
  // Changes that are not durable here. Without any, all losses give the same image.
  size_t pending() const;
  // The event just before this point; null at the beginning.
  const CrashEvent* previous_event() const;

  CrashImage image(Loss loss, uint64_t seed) const;
  // The last events before this point, a line each: for messages.
  std::string story(uint64_t most) const;

 private:
  struct FileState {
    SharedBytes durable;
    std::vector<const CrashEvent*> pending;
  };
  using NameMap = std::map<std::string, uint64_t>;

  struct Names {
    NameMap files;
    std::set<std::string> folders;
    void apply(const CrashEvent& event);
  };

  void sync_file(FileState& file);
  void sync_folder(const std::string& folder);
  Names surviving_names(Loss loss, Random& random) const;
  SharedBytes surviving_bytes(const FileState& file, Loss loss, Random& random) const;
  // Files without a name: their blocks may be another one's now.
  std::vector<const PagedBytes*> freed_files() const;
  // Fills what a lost write added to a file.
  void fill_stale(const CrashEvent& event, PagedBytes& bytes, Random& random) const;

  const CrashFileSystem& system_;
  uint64_t position_ = 0;
  std::map<uint64_t, FileState> files_;
  Names names_;
  std::vector<const CrashEvent*> pending_names_;
};

struct Crash {
  uint64_t point = 0;
  uint64_t returned = 0;  // the calls up to this position had returned: what they promised counts
  Loss loss = Loss::kNothing;
  uint64_t seed = 0;
  CrashImage image;
  std::string what;                     // for messages: all of the above and the last event
  const CrashPlayer* player = nullptr;  // during the call
};

// Builds images over the whole record, so many at each crash point on average (one where nothing is pending), and hands
// them to `check`, which returns false to stop. Returns the number of images.
uint64_t for_each_crash(const CrashFileSystem& system, Random& random, double images_per_point,
                        const std::function<bool(const Crash&)>& check);

}  // namespace strata::testing
