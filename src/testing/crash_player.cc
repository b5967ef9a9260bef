#include "testing/crash_player.h"

#include <algorithm>

#include "base/check.h"

namespace strata::testing {
namespace {

using Kind = CrashEvent::Kind;

constexpr uint64_t kSectorBytes = 512;

bool is_name_event(Kind kind) { return kind <= Kind::kCreateFolder; }

void apply_whole(const CrashEvent& event, PagedBytes& bytes) {
  switch (event.kind) {
    case Kind::kWrite:
      return bytes.write(event.at, event.bytes);
    case Kind::kTruncate:
      return bytes.truncate(event.at);
    case Kind::kReserve:
      return bytes.extend(event.at);
    default:
      STRATA_CHECK(false);
  }
}

// The first bytes of a write; nothing or all of anything else.
void apply_cut(const CrashEvent& event, PagedBytes& bytes, Random& random) {
  if (event.kind != Kind::kWrite) {
    if (random.one_in(2)) apply_whole(event, bytes);
    return;
  }
  bytes.write(event.at, std::string_view(event.bytes).substr(0, random.below(event.bytes.size() + 1)));
}

void apply_sectors(const CrashEvent& event, PagedBytes& bytes, uint64_t percent_kept, Random& random) {
  if (event.kind != Kind::kWrite) {
    if (random.percent(percent_kept)) apply_whole(event, bytes);
    return;
  }
  const std::string_view all = event.bytes;
  for (uint64_t begin = 0; begin < all.size();) {
    const uint64_t end = std::min<uint64_t>(all.size(), begin + kSectorBytes - (event.at + begin) % kSectorBytes);
    if (random.percent(percent_kept)) bytes.write(event.at + begin, all.substr(begin, end - begin));
    begin = end;
  }
}

// How much of a list of unsynced changes survives: all lost and all kept must both be usual, mixtures too.
class Survival {
 public:
  Survival(size_t n, Random& random) : random_(random), shape_(random.below(4)), prefix_(random.below(n + 1)) {}
  bool keeps(size_t i) {
    switch (shape_) {
      case 0:
        return false;
      case 1:
        return true;
      case 2:
        return i < prefix_;
      default:
        return random_.one_in(2);
    }
  }

 private:
  Random& random_;
  const uint64_t shape_;
  const uint64_t prefix_;
};

}  // namespace

std::string_view loss_name(Loss loss) {
  static constexpr std::string_view kNames[] = {"nothing",    "torn_last",    "unsynced",    "subset",
                                                "torn_bytes", "torn_sectors", "length_only", "stale_blocks"};
  return kNames[static_cast<size_t>(loss)];
}

CrashPlayer::CrashPlayer(const CrashFileSystem& system) : system_(system) {
  uint64_t number = 1;
  for (const auto& [path, bytes] : system.base_.files) {
    files_[number] = {bytes, {}};
    names_.files[path] = number++;
  }
  names_.folders = system.base_.folders;
}

void CrashPlayer::Names::apply(const CrashEvent& event) {
  switch (event.kind) {
    case Kind::kCreate:
      files[event.path] = event.file;
      return;
    case Kind::kRemove:
      files.erase(event.path);
      folders.erase(event.path);
      return;
    case Kind::kRename:
      if (const auto from = files.find(event.path); from != files.end() && from->second == event.file) {
        files.erase(from);
      }
      files[event.to] = event.file;
      return;
    case Kind::kCreateFolder:
      folders.insert(event.path);
      return;
    default:
      STRATA_CHECK(false);
  }
}

void CrashPlayer::advance_to(uint64_t point) {
  STRATA_CHECK(point >= position_ && point <= last());
  for (; position_ < point; ++position_) {
    const CrashEvent& event = system_.events()[position_];
    if (event.kind == Kind::kSync) {
      sync_file(files_[event.file]);
    } else if (event.kind == Kind::kSyncFolder) {
      sync_folder(event.path);
    } else if (is_name_event(event.kind)) {
      if (event.kind == Kind::kCreate) files_[event.file].durable = std::make_shared<PagedBytes>();
      pending_names_.push_back(&event);
    } else {
      files_[event.file].pending.push_back(&event);
    }
  }
}

void CrashPlayer::sync_file(FileState& file) {
  if (file.pending.empty()) return;
  PagedBytes& bytes = own(file.durable);
  for (const CrashEvent* event : file.pending) apply_whole(*event, bytes);
  file.pending.clear();
}

void CrashPlayer::sync_folder(const std::string& folder) {
  // A name that leaves or enters the folder takes what happened to that name before with it.
  std::set<std::string> settled;
  const auto touches = [&](const CrashEvent& event) {
    return os::folder_of(event.path) == folder || (event.kind == Kind::kRename && os::folder_of(event.to) == folder);
  };
  for (const CrashEvent* event : pending_names_) {
    if (touches(*event)) settled.insert({event->path, event->kind == Kind::kRename ? event->to : event->path});
  }
  std::vector<const CrashEvent*> left;
  for (const CrashEvent* event : pending_names_) {
    if (settled.count(event->path) != 0) {
      names_.apply(*event);
    } else {
      left.push_back(event);
    }
  }
  pending_names_ = std::move(left);
}

size_t CrashPlayer::pending() const {
  size_t count = pending_names_.size();
  for (const auto& [number, file] : files_) count += file.pending.size();
  return count;
}

const CrashEvent* CrashPlayer::previous_event() const {
  return position_ == 0 ? nullptr : &system_.events()[position_ - 1];
}

CrashPlayer::Names CrashPlayer::surviving_names(Loss loss, Random& random) const {
  Names names = names_;
  if (loss == Loss::kUnsynced) return names;
  const bool all = keeps_written(loss) || loss == Loss::kLengthOnly || loss == Loss::kStaleBlocks;
  Survival survival(pending_names_.size(), random);
  for (size_t i = 0; i < pending_names_.size(); ++i) {
    if (survival.keeps(i) || all) names.apply(*pending_names_[i]);
  }
  return names;
}

SharedBytes CrashPlayer::surviving_bytes(const FileState& file, Loss loss, Random& random) const {
  SharedBytes survived = file.durable;
  if (file.pending.empty() || loss == Loss::kUnsynced) return survived;
  PagedBytes& bytes = own(survived);
  const CrashEvent* last = previous_event();
  const uint64_t percent_kept = 10 + 40 * random.below(3);
  Survival survival(file.pending.size(), random);
  for (size_t i = 0; i < file.pending.size(); ++i) {
    const CrashEvent& event = *file.pending[i];
    const bool kept = survival.keeps(i);
    if (loss == Loss::kNothing || (loss == Loss::kTornLast && &event != last)) {
      apply_whole(event, bytes);
    } else if (loss == Loss::kTornLast) {
      apply_cut(event, bytes, random);
    } else if (loss == Loss::kTornSectors) {
      apply_sectors(event, bytes, percent_kept, random);
    } else if (loss == Loss::kLengthOnly || loss == Loss::kStaleBlocks) {
      if (event.kind == Kind::kReserve && loss == Loss::kStaleBlocks && !kept) continue;
      if (event.kind != Kind::kWrite || kept) {
        apply_whole(event, bytes);
      } else if (loss == Loss::kStaleBlocks) {
        fill_stale(event, bytes, random);
      } else {
        bytes.extend(event.at + event.bytes.size());
      }
    } else if (kept && loss == Loss::kTornBytes && random.one_in(3)) {
      apply_cut(event, bytes, random);
    } else if (kept) {
      apply_whole(event, bytes);
    }
  }
  return survived;
}

std::vector<const PagedBytes*> CrashPlayer::freed_files() const {
  std::set<uint64_t> named;
  for (const auto& [path, number] : names_.files) named.insert(number);
  for (const CrashEvent* event : pending_names_) named.insert(event->file);
  std::vector<const PagedBytes*> freed;
  for (const auto& [number, file] : files_) {
    if (named.count(number) == 0) freed.push_back(file.durable.get());
  }
  return freed;
}

void CrashPlayer::fill_stale(const CrashEvent& event, PagedBytes& bytes, Random& random) const {
  const uint64_t end = event.at + event.bytes.size();
  const uint64_t begin = std::max(bytes.size(), event.at);
  bytes.extend(end);
  const std::vector<const PagedBytes*> donors = freed_files();
  if (begin >= end || donors.empty()) return;
  std::string stale(end - begin, '\0');
  random.pick(donors)->read(begin, stale.size(), stale.data());
  bytes.write(begin, stale);
}

CrashImage CrashPlayer::image(Loss loss, uint64_t seed) const {
  Random random(seed * 16 + static_cast<uint64_t>(loss));
  const Names names = surviving_names(loss, random);
  CrashImage image;
  const auto reachable = [&](const std::string& folder) {
    return folder == "." || folder == "/" || image.folders.count(folder) != 0;
  };
  // In order of names a folder comes before what is in it; a lost folder takes everything along.
  for (const std::string& folder : names.folders) {
    if (reachable(os::folder_of(folder))) image.folders.insert(folder);
  }
  for (const auto& [path, number] : names.files) {
    if (reachable(os::folder_of(path))) {
      image.files[path] = surviving_bytes(files_.at(number), loss, random);
    }
  }
  return image;
}

std::string CrashPlayer::story(uint64_t most) const {
  std::string text;
  for (uint64_t i = position_ > most ? position_ - most : 0; i < position_; ++i) {
    text += "\n      " + std::to_string(i) + " " + describe(system_.events()[i]);
  }
  return text;
}

uint64_t for_each_crash(const CrashFileSystem& system, Random& random, double images_per_point,
                        const std::function<bool(const Crash&)>& check) {
  CrashPlayer player(system);
  uint64_t images = 0;
  double owed = 0;
  for (uint64_t point = 0; point <= player.last(); ++point) {
    player.advance_to(point);
    owed += images_per_point;
    const bool settled = player.pending() == 0;
    for (; owed >= 1; owed -= 1) {
      Crash crash;
      crash.point = point;
      crash.loss = settled ? Loss::kNothing : kAllLosses[random.below(std::size(kAllLosses))];
      crash.returned = crash.loss == Loss::kTornLast && point > 0 ? point - 1 : point;
      crash.seed = random.next();
      crash.image = player.image(crash.loss, crash.seed);
      const CrashEvent* event = player.previous_event();
      crash.what = "crash at " + std::to_string(point) + " of " + std::to_string(player.last()) + ", loss " +
                   std::string(loss_name(crash.loss)) + " seed " + std::to_string(crash.seed) + ", after " +
                   (event == nullptr ? "nothing" : describe(*event));
      crash.player = &player;
      ++images;
      if (!check(crash)) return images;
      if (settled) owed = std::min(owed, 1.0);
    }
  }
  return images;
}

}  // namespace strata::testing
