#include "storage/log_writer.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace strata::storage {
namespace {

// Above this a record is written in two parts rather than copied into one.
constexpr size_t kCopyBytes = 64u << 10;
// A buffer that one huge record made larger than this is given back.
constexpr size_t kKeptBufferBytes = 8u << 20;

}  // namespace

void LogWriter::begin_segment(std::shared_ptr<os::File> file, LogPosition first, bool name_synced) {
  base::MutexLock lock(mutex_);
  STRATA_ASSERT(collected_.empty() && writing_.empty());
  STRATA_ASSERT(first >= end());
  if (file_ != nullptr) unsynced_.push_back(std::move(file_));
  file_ = std::move(file);
  if (!name_synced) names_unsynced_ = true;
  written_end_.store(first, std::memory_order_release);
  end_.store(first, std::memory_order_release);
}

Status LogWriter::append(std::string_view head, std::string_view body) {
  if (failed_.load(std::memory_order_acquire)) return error();
  const LogPosition at = end();
  const size_t n = head.size() + body.size();
  if (staged_) {
    base::MutexLock lock(mutex_);
    collected_.append(head).append(body);
    end_.store(at + n, std::memory_order_release);
    return Status::ok();
  }
  // file_ changes under the caller's lock only, so it can be read here without the mutex.
  os::File& file = *[this]() NO_THREAD_SAFETY_ANALYSIS { return file_.get(); }();
  Status written;
  if (body.size() <= kCopyBytes) {
    scratch_.assign(head).append(body);
    written = file.write_short(offset_of(at), scratch_);
  } else {
    written = file.write(offset_of(at), head);
    if (written.is_ok()) written = file.write(offset_of(at) + head.size(), body);
  }
  if (!written.is_ok()) return fail(std::move(written));
  written_end_.store(at + n, std::memory_order_release);
  end_.store(at + n, std::memory_order_release);
  return Status::ok();
}

Status LogWriter::write_behind_end(std::string_view bytes) {
  base::MutexLock lock(mutex_);
  if (!error_.is_ok()) return error_;
  STRATA_ASSERT(collected_.empty() && writing_.empty());
  return keep(file_->write(offset_of(end()), bytes));
}

Status LogWriter::drain() {
  base::MutexLock lock(mutex_);
  STRATA_TRY(lead(lock));
  Status written = write_staged(lock);
  stop_leading();
  return written;
}

void LogWriter::set_staged(bool staged) {
  // An error is kept and met by the next append.
  if (staged_ && !staged) (void)drain().is_ok();
  staged_ = staged;
}

Status LogWriter::sync_to(LogPosition wanted, const std::function<void()>& synced) {
  if (durable_end() >= wanted) return Status::ok();
  base::MutexLock lock(mutex_);
  while (durable_end() < wanted) {
    if (!error_.is_ok()) return error_;
    if (!leading_) {
      // The leader syncs all that was appended before it: nothing is left to wait for.
      STRATA_TRY(lead(lock));
      const uint64_t number = ++sync_number_;
      Status status = sync_files(lock);
      stop_leading();
      if (status.is_ok() && synced) {
        lock.native().unlock();
        synced();
        lock.native().lock();
      }
      group(number).notify_all();
      return status;
    }
    const bool covered = wanted <= sync_target_;
    group(covered ? sync_number_ : sync_number_ + 1).wait(lock.native());
  }
  return Status::ok();
}

void LogWriter::start_durable(LogPosition end) {
  written_end_.store(end, std::memory_order_release);
  end_.store(end, std::memory_order_release);
  durable_end_.store(end, std::memory_order_release);
}

Status LogWriter::fail(Status error) {
  base::MutexLock lock(mutex_);
  return keep(std::move(error));
}

Status LogWriter::error() const {
  base::MutexLock lock(mutex_);
  return error_;
}

size_t LogWriter::read_unwritten(LogPosition position, size_t n, char* out) const {
  base::MutexLock lock(mutex_);
  const LogPosition written = written_end();
  if (segment_of(written) != segment_of(position) || position + n <= written) return n;
  const auto copy = [&](std::string_view bytes, LogPosition start) {
    const LogPosition from = std::max(position, start);
    const LogPosition to = std::min(position + n, start + bytes.size());
    if (from < to) std::memcpy(out + (from - position), bytes.data() + (from - start), to - from);
  };
  copy(writing_, written);
  copy(collected_, written + writing_.size());
  return position < written ? static_cast<size_t>(written - position) : 0;
}

Status LogWriter::lead(Lock& lock) {
  while (leading_) led_.wait(lock.native());
  if (!error_.is_ok()) return error_;
  leading_ = true;
  return Status::ok();
}

void LogWriter::stop_leading() {
  leading_ = false;
  led_.notify_all();
  group(sync_number_ + 1).notify_one();
}

Status LogWriter::write_staged(Lock& lock) {
  STRATA_ASSERT(leading_ && writing_.empty());
  if (collected_.empty()) return Status::ok();
  std::swap(collected_, writing_);
  const std::shared_ptr<os::File> file = file_;
  const LogPosition start = written_end();
  // While leading_ is set nobody else changes writing_, so it can be read without the lock.
  const std::string_view bytes = writing_;
  lock.native().unlock();
  Status written = file->write(offset_of(start), bytes);
  lock.native().lock();
  // After a failure the bytes stay: readers may still hold positions in them.
  if (!written.is_ok()) return keep(std::move(written));
  written_end_.store(start + writing_.size(), std::memory_order_release);
  writing_.clear();
  if (writing_.capacity() > kKeptBufferBytes) writing_.shrink_to_fit();
  return Status::ok();
}

Status LogWriter::sync_files(Lock& lock) {
  // What is appended from here on waits for the next leader.
  const LogPosition target = sync_target_ = end();
  const size_t older = unsynced_.size();
  std::vector<std::shared_ptr<os::File>> files = unsynced_;
  files.push_back(file_);
  const bool names = std::exchange(names_unsynced_, false);
  STRATA_TRY(write_staged(lock));
  lock.native().unlock();
  Status synced;
  for (size_t i = 0; i < files.size() && synced.is_ok(); ++i) synced = files[i]->sync();
  if (synced.is_ok() && names) synced = fs_->sync_folder(folder_);
  lock.native().lock();
  // Another thread may have failed meanwhile: its error is the first, and nothing is durable after it.
  STRATA_TRY(keep(std::move(synced)));
  unsynced_.erase(unsynced_.begin(), unsynced_.begin() + static_cast<std::ptrdiff_t>(older));
  STRATA_ASSERT(target >= durable_end());
  durable_end_.store(target, std::memory_order_release);
  return Status::ok();
}

Status LogWriter::keep(Status error) {
  if (error_.is_ok() && !error.is_ok()) {
    error_ = std::move(error);
    failed_.store(true, std::memory_order_release);
    led_.notify_all();
    for (std::condition_variable& waiting : groups_) waiting.notify_all();
  }
  return error_;
}

}  // namespace strata::storage
