// The names of a file system kept in memory: which path is a folder, which is a file, who holds a lock on it. What a
// file contains is the Node's business.
// Thread safety: none; the owner serializes all calls.
// Ownership: shares the nodes with open handles, so that a removed file lives until its last handle is gone.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "os/file_system.h"

namespace strata::os {

inline Status name_error(std::string_view operation, std::string_view path, std::string_view why,
                         Code code = Code::kIoError) {
  std::string message = "cannot ";
  message.append(operation).append(" ").append(path).append(": ").append(why);
  return Status::error(code, std::move(message));
}

template <typename Node>
class NameTable {
 public:
  using NodePtr = std::shared_ptr<Node>;
  using Files = std::map<std::string, NodePtr>;

  // One spelling a path: no repeated or trailing slashes, no "." parts.
  static std::string canonical(std::string_view path) {
    std::string out;
    for (size_t begin = 0; begin < path.size();) {
      size_t end = path.find('/', begin);
      if (end == std::string_view::npos) end = path.size();
      const std::string_view part = path.substr(begin, end - begin);
      if (!part.empty() && part != ".") {
        if (begin > 0 && !out.empty() && out.back() != '/') out.push_back('/');
        out.append(part);
      } else if (begin == 0 && end == 0) {
        out.push_back('/');
      }
      begin = end + 1;
    }
    return out.empty() ? "." : out;
  }

  bool is_folder(const std::string& path) const { return path == "." || path == "/" || folders_.count(path) != 0; }
  NodePtr file(const std::string& path) const {
    const auto found = files_.find(path);
    return found == files_.end() ? nullptr : found->second;
  }
  bool exists(const std::string& path) const { return files_.count(path) != 0 || is_folder(path); }
  const Files& files() const { return files_; }
  const std::set<std::string>& folders() const { return folders_; }

  Result<NodePtr> find(const std::string& path) const {
    NodePtr node = file(path);
    if (node != nullptr) return node;
    if (is_folder(path)) return name_error("open", path, "it is a folder", Code::kInvalidPathName);
    return name_error("open", path, "no such file");
  }

  Status check_new(const std::string& path) const {
    if (exists(path)) return name_error("create", path, "it exists already");
    return is_folder(folder_of(path)) ? Status::ok() : name_error("create", path, "no such folder");
  }

  // Puts or replaces without questions: for building a table, after a check for everyone else.
  void set_file(const std::string& path, NodePtr node) { files_[path] = std::move(node); }
  void erase(const std::string& path) {
    files_.erase(path);
    folders_.erase(path);
  }
  void set_folder(const std::string& path) { folders_.insert(path); }

  Status check_remove(const std::string& path) const {
    if (files_.count(path) != 0) return Status::ok();
    if (folders_.count(path) == 0) return name_error("remove", path, "no such file or folder");
    return list(path).empty() ? Status::ok() : name_error("remove", path, "not empty", Code::kInvalidPathName);
  }

  Status rename(const std::string& from, const std::string& to) {
    NodePtr node = file(from);
    if (node == nullptr) return name_error("rename", from, "no such file");
    if (is_folder(to)) return name_error("rename", from, "a folder is in the way", Code::kInvalidPathName);
    if (!is_folder(folder_of(to))) return name_error("rename", from, "no such folder: " + folder_of(to));
    files_.erase(from);
    files_[to] = std::move(node);
    return Status::ok();
  }

  // The folders that have to be made so that `path` is there, outermost first.
  Result<std::vector<std::string>> missing_folders(const std::string& path) const {
    std::vector<std::string> missing;
    for (std::string at = path; !is_folder(at); at = folder_of(at)) {
      if (files_.count(at) != 0) {
        return name_error("make folder", path, at + " is a file", Code::kInvalidPathName);
      }
      missing.insert(missing.begin(), at);
    }
    return missing;
  }

  std::vector<std::string> list(const std::string& folder) const {
    std::set<std::string> names;
    for (const auto& [path, node] : files_) {
      if (folder_of(path) == folder) names.insert(name_of(path));
    }
    for (const std::string& path : folders_) {
      if (path != folder && folder_of(path) == folder) names.insert(name_of(path));
    }
    return {names.begin(), names.end()};
  }

  Status take_lock(const std::string& path, LockMode mode) {
    Holders& holders = locks_[path];
    if (holders.writer || (mode == LockMode::kExclusive && holders.readers > 0)) {
      return Status::error(Code::kDatabaseLocked, "database " + folder_of(path) + " is in use by this process",
                           "close it first, or open it read-only");
    }
    if (mode == LockMode::kExclusive) {
      holders.writer = true;
    } else {
      ++holders.readers;
    }
    return Status::ok();
  }
  void drop_lock(const std::string& path, LockMode mode) {
    Holders& holders = locks_[path];
    if (mode == LockMode::kExclusive) {
      holders.writer = false;
    } else {
      --holders.readers;
    }
  }

 private:
  struct Holders {
    bool writer = false;
    int readers = 0;
  };
  Files files_;
  std::set<std::string> folders_;
  std::map<std::string, Holders> locks_;
};

}  // namespace strata::os
