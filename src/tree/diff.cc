// The paired walk of two trees. Each side stands before an item: a subtree, or a key of a leaf. Equal subtrees are
// skipped together; otherwise whichever begins earlier is opened, or the taller one if both begin at the same key.
// The item's lower bound (its separator, or that of the nearest parent that has one) decides which is earlier.
#include <array>

#include "tree/forest_impl.h"

namespace strata::tree {
namespace {

class Side {
 public:
  Side(const ForestImpl& impl, const Root& root, KeyRange range)
      : impl_(impl), range_(range), root_{root.id, root.birth, root.count}, done_(root.id == 0) {}

  bool done() const { return done_; }
  bool at_key() const { return depth_ > 0 && top().node->is_leaf(); }
  // The subtree in front. REQUIRES: !done(), !at_key().
  ChildRef subtree() const { return depth_ == 0 ? root_ : top().node->child(top().index); }
  // Levels below it; the root's are not known before it is opened, and then it is the taller one.
  uint32_t height() const { return depth_ == 0 ? ~0u : top().node->level(); }
  const std::string& key() const { return key_; }
  std::string_view row() const { return top().node->row(top().index); }

  // The key at which the subtree in front begins.
  const std::string& lower_bound() {
    bound_.clear();
    for (uint32_t i = depth_; i-- > 0;) {
      if (path_[i].index == 0) continue;
      path_[i].node->copy_key(path_[i].index, &bound_);
      break;
    }
    return bound_;
  }

  Status open() {
    const ChildRef ref = subtree();
    const int level = depth_ == 0 ? kAnyLevel : static_cast<int>(top().node->level()) - 1;
    Status status;
    const Node* node = impl_.cache.get(ref.id, ref.birth, level, &status);
    if (node == nullptr) return status;
    uint32_t index = 0;
    bool exact = false;
    if (!range_.begin.empty())
      index = node->is_leaf() ? node->find(range_.begin, &exact) : node->find_child(range_.begin);
    path_[depth_++] = {node, index};
    settle();
    return Status::ok();
  }

  // Past the item in front.
  void advance() {
    if (depth_ == 0) {
      done_ = true;
      return;
    }
    ++path_[depth_ - 1].index;
    settle();
  }

 private:
  struct Step {
    const Node* node;
    uint32_t index;
  };
  const Step& top() const { return path_[depth_ - 1]; }

  // Leaves nodes that are used up, notices the end of the range, and assembles the key in front.
  void settle() {
    while (top().index >= top().node->count()) {
      if (--depth_ == 0) {
        done_ = true;
        return;
      }
      ++path_[depth_ - 1].index;
    }
    const Node& node = *top().node;
    if (!range_.end.empty() && (node.is_leaf() || top().index > 0) && node.compare_key(range_.end, top().index) <= 0) {
      done_ = true;
      return;
    }
    if (node.is_leaf()) node.copy_key(top().index, &key_);
  }

  const ForestImpl& impl_;
  const KeyRange range_;
  const ChildRef root_;
  std::array<Step, kMaxLevel + 2> path_;
  uint32_t depth_ = 0;
  bool done_;
  std::string key_;
  std::string bound_;
};

class PairedWalk {
 public:
  PairedWalk(Side* a, Side* b, const DiffVisitor& visit) : a_(*a), b_(*b), visit_(visit) {}

  Status run() {
    while (!stopped_ && !(a_.done() && b_.done())) {
      if (a_.done()) {
        STRATA_TRY(alone(b_, Change::kAdded));
      } else if (b_.done()) {
        STRATA_TRY(alone(a_, Change::kRemoved));
      } else if (a_.at_key() && b_.at_key()) {
        two_keys();
      } else if (a_.at_key()) {
        STRATA_TRY(key_and_subtree(a_, b_, Change::kRemoved));
      } else if (b_.at_key()) {
        STRATA_TRY(key_and_subtree(b_, a_, Change::kAdded));
      } else {
        STRATA_TRY(two_subtrees());
      }
    }
    return Status::ok();
  }

 private:
  void visit(const std::string& key, Change change, std::string_view a, std::string_view b) {
    if (!visit_(key, change, a, b)) stopped_ = true;
  }
  void only(Side& side, Change change) {
    if (change == Change::kAdded) {
      visit(side.key(), change, {}, side.row());
    } else {
      visit(side.key(), change, side.row(), {});
    }
    side.advance();
  }
  // The other side has come to its end.
  Status alone(Side& side, Change change) {
    if (!side.at_key()) return side.open();
    only(side, change);
    return Status::ok();
  }
  void two_keys() {
    const int order = compare_bytes(a_.key(), b_.key());
    if (order < 0) return only(a_, Change::kRemoved);
    if (order > 0) return only(b_, Change::kAdded);
    if (a_.row() != b_.row()) visit(a_.key(), Change::kModified, a_.row(), b_.row());
    a_.advance();
    b_.advance();
  }
  Status key_and_subtree(Side& key, Side& subtree, Change change) {
    if (compare_bytes(key.key(), subtree.lower_bound()) >= 0) return subtree.open();
    only(key, change);
    return Status::ok();
  }
  Status two_subtrees() {
    const ChildRef a = a_.subtree();
    const ChildRef b = b_.subtree();
    if (a.id == b.id && a.birth == b.birth) {
      a_.advance();
      b_.advance();
      return Status::ok();
    }
    const int order = compare_bytes(a_.lower_bound(), b_.lower_bound());
    // Heights are looked at first: opening a side changes its height.
    const bool open_a = order < 0 || (order == 0 && a_.height() >= b_.height());
    const bool open_b = order > 0 || (order == 0 && b_.height() >= a_.height());
    if (open_a) STRATA_TRY(a_.open());
    if (open_b) STRATA_TRY(b_.open());
    return Status::ok();
  }

  Side& a_;
  Side& b_;
  const DiffVisitor& visit_;
  bool stopped_ = false;
};

}  // namespace

Status Forest::diff(const Root& a, const Root& b, KeyRange range, const DiffVisitor& visit) const {
  STRATA_ASSERT(impl_->epochs.inside());
  if (a.id == b.id && a.birth == b.birth) return Status::ok();
  if (!range.end.empty() && range.begin >= range.end) return Status::ok();
  Side side_a(*impl_, a, range);
  Side side_b(*impl_, b, range);
  return PairedWalk(&side_a, &side_b, visit).run();
}

}  // namespace strata::tree
