#include "branch/lineage.h"

#include <gtest/gtest.h>

#include <map>

#include "testing/random.h"

namespace strata::branch {
namespace {

tree::Root root(uint64_t id) { return {id << 16 | 1, id, id}; }

// The id that `root` was made of; 0: no ancestor.
uint64_t ancestor(const Lineage& lineage, uint32_t a, uint32_t b) {
  const auto found = lineage.ancestor(a, b);
  EXPECT_EQ(found, lineage.ancestor(b, a));
  return found ? found->birth : 0;
}

// A clock, and what a catalogue does.
struct Branches {
  Lineage lineage;
  uint64_t now = 1000;
  void create(uint32_t id) {
    ++now;
    lineage.create(id);
  }
  // The forked state is named by its time.
  uint64_t fork(uint32_t source, uint32_t child) {
    const uint64_t state = now++;
    lineage.fork(source, child, state, root(state), false);
    return state;
  }
  uint64_t merge(uint32_t source, uint32_t target) {
    const uint64_t state = now++;
    lineage.merge(target, now, {source, state, 0, root(state)});
    return state;
  }
};

TEST(LineageTest, ForksAndMergesMoveTheAncestor) {
  Branches b;
  b.create(1);
  b.create(2);
  EXPECT_EQ(ancestor(b.lineage, 1, 2), 0u);
  const uint64_t forked = b.fork(1, 3);
  EXPECT_EQ(ancestor(b.lineage, 1, 3), forked);
  EXPECT_EQ(ancestor(b.lineage, 2, 3), 0u);
  const uint64_t below = b.fork(3, 4);
  EXPECT_EQ(ancestor(b.lineage, 3, 4), below);
  EXPECT_EQ(ancestor(b.lineage, 1, 4), forked);
  const uint64_t merged = b.merge(4, 1);
  EXPECT_EQ(ancestor(b.lineage, 1, 4), merged);
  EXPECT_EQ(ancestor(b.lineage, 1, 3), below);  // came to 1 with 4
  const uint64_t unrelated = b.merge(2, 3);
  EXPECT_EQ(ancestor(b.lineage, 2, 3), unrelated);
  EXPECT_EQ(ancestor(b.lineage, 2, 1), 0u);
  b.merge(3, 1);
  EXPECT_EQ(ancestor(b.lineage, 2, 1), unrelated);
}

TEST(LineageTest, CrissCrossTakesTheLatest) {
  Branches b;
  b.create(1);
  b.fork(1, 2);
  b.merge(1, 2);
  const uint64_t second = b.merge(2, 1);
  EXPECT_EQ(ancestor(b.lineage, 1, 2), second);
}

TEST(LineageTest, AForkOfThePastKnowsNothingLater) {
  Branches b;
  b.create(1);
  b.create(2);
  const uint64_t first = b.merge(2, 1);
  const uint64_t then = b.now++;
  b.merge(2, 1);
  b.lineage.fork(1, 3, then, root(then), true);
  EXPECT_EQ(ancestor(b.lineage, 3, 1), then);
  EXPECT_EQ(ancestor(b.lineage, 3, 2), first);
  // Of a moment before a fork of its own: its source's state.
  const uint64_t forked = b.fork(1, 4);
  EXPECT_EQ(ancestor(b.lineage, 4, 1), forked);
  b.lineage.fork(4, 5, then, root(then), true);
  EXPECT_EQ(ancestor(b.lineage, 5, 1), then);
  EXPECT_EQ(ancestor(b.lineage, 5, 2), first);
}

TEST(LineageTest, ADeletedBranchStaysAnAncestorWhereItIsNeeded) {
  Branches b;
  for (uint32_t id = 1; id <= 3; ++id) b.create(id);
  const uint64_t merged = b.merge(1, 2);
  b.merge(1, 3);
  b.lineage.remove(1);
  for (int i = 0; i < 1000; ++i) {  // long enough to tidy up
    b.fork(2, 100);
    b.lineage.remove(100);
  }
  EXPECT_EQ(ancestor(b.lineage, 2, 3), merged);
}

TEST(LineageTest, ForkWorkMergeDeleteForEverStaysSmall) {
  Branches b;
  b.create(1);
  b.create(2);
  const uint64_t shared = b.merge(2, 1);
  for (uint32_t i = 3; i < 100'003; ++i) {
    b.fork(1, i);
    b.merge(i, 1);
    b.lineage.remove(i);
  }
  const Lineage::Size size = b.lineage.size();
  EXPECT_LT(size.layers, 200u);
  EXPECT_LT(size.known, 400u);
  EXPECT_EQ(ancestor(b.lineage, 1, 2), shared);
}

// The same while another branch keeps taking over all of it.
TEST(LineageTest, WhatSpreadsIsForgottenToo) {
  Branches b;
  for (uint32_t id = 1; id <= 4; ++id) b.create(id);
  const uint64_t shared = b.merge(3, 1);
  b.merge(3, 4);
  b.lineage.remove(3);
  uint64_t last = 0;
  for (uint32_t i = 5; i < 10'005; ++i) {
    b.fork(1, i);
    b.merge(i, 1);
    last = b.merge(1, 2);
    b.lineage.remove(i);
  }
  EXPECT_LT(b.lineage.size().known, 5000u);
  EXPECT_EQ(ancestor(b.lineage, 1, 2), last);
  EXPECT_EQ(ancestor(b.lineage, 1, 4), shared);
  EXPECT_EQ(ancestor(b.lineage, 2, 4), shared);
}

TEST(LineageTest, ManyForksAndDeepOnesCostLittle) {
  Branches b;
  b.create(1);
  for (uint32_t i = 2; i <= 500; ++i) b.merge(1, (b.create(1000 + i), 1000 + i));
  const uint64_t first = b.now;
  for (uint32_t i = 2; i < 10'002; ++i) b.fork(1, 10'000 + i);
  EXPECT_EQ(ancestor(b.lineage, 10'002, 20'001), first);
  EXPECT_LT(b.lineage.size().known, 11'000u);
  uint32_t below = 1;
  for (uint32_t i = 0; i < 100'000; ++i) {
    b.fork(below, 100'000 + i);
    below = 100'000 + i;
  }
  EXPECT_EQ(ancestor(b.lineage, below, 150'000), ancestor(b.lineage, 150'001, 150'000));
  std::string bytes;
  b.lineage.encode(&bytes);
  EXPECT_LT(bytes.size(), 120'000u * 80);
}

TEST(LineageTest, ComesBackFromItsBytes) {
  const uint64_t seed = testing::test_seed(1);
  testing::Random random(seed);
  Branches b;
  std::vector<uint32_t> living;
  uint32_t next = 1;
  for (int i = 0; i < 600; ++i) {
    const uint64_t dice = random.below(10);
    if (living.size() < 3 || (dice < 2 && living.size() < 20)) {
      living.push_back(next);
      b.create(next++);
    } else if (dice < 5) {
      b.fork(random.pick(living), next);
      living.push_back(next++);
    } else if (dice < 6) {
      const size_t gone = random.below(living.size());
      b.lineage.remove(living[gone]);
      living.erase(living.begin() + static_cast<std::ptrdiff_t>(gone));
    } else {
      const uint32_t source = random.pick(living);
      const uint32_t target = random.pick(living);
      if (source != target) b.merge(source, target);
    }
    if (i % 100 != 0) continue;
    std::string bytes;
    b.lineage.encode(&bytes);
    Lineage copy;
    ASSERT_TRUE(copy.decode(bytes));
    for (const uint32_t one : living) {
      for (const uint32_t other : living) {
        if (one == other) continue;
        ASSERT_EQ(copy.ancestor(one, other), b.lineage.ancestor(one, other));
      }
    }
    for (int n = 0; n < 20; ++n) {
      Lineage damaged;
      EXPECT_FALSE(damaged.decode(std::string_view(bytes).substr(0, random.below(bytes.size()))));
    }
  }
}

// Beside one that keeps everything of everybody.
TEST(LineageTest, AgreesWithOneThatForgetsNothing) {
  const uint64_t seed = testing::test_seed(1);
  testing::Random random(seed);
  for (int round = 0; round < 20; ++round) {
    Branches b;
    std::map<uint32_t, std::map<uint32_t, uint64_t>> known;  // branch -> {other: state}
    uint32_t next = 1;
    const auto any = [&] {
      auto at = known.begin();
      std::advance(at, static_cast<std::ptrdiff_t>(random.below(known.size())));
      return at->first;
    };
    for (int i = 0; i < 600; ++i) {
      const uint64_t dice = random.below(10);
      if (known.size() < 2 || dice == 0) {
        b.create(next);
        known[next++];
      } else if (dice < 3) {
        const uint32_t source = any();
        const uint64_t state = b.fork(source, next);
        known[next] = known[source];
        known[next++][source] = state;
      } else if (dice < 5 && known.size() > 4) {
        const uint32_t gone = any();
        b.lineage.remove(gone);
        known.erase(gone);
      } else {
        const uint32_t source = any();
        const uint32_t target = any();
        if (source == target) continue;
        const uint64_t state = b.merge(source, target);
        for (const auto& [branch, time] : known[source]) {
          if (branch != target) known[target][branch] = std::max(known[target][branch], time);
        }
        known[target][source] = state;
      }
      const uint32_t one = any();
      const uint32_t other = any();
      if (one == other) continue;
      uint64_t expected = 0;
      if (known[one].contains(other)) expected = std::max(expected, known[one][other]);
      if (known[other].contains(one)) expected = std::max(expected, known[other][one]);
      for (const auto& [branch, time] : known[one]) {
        if (known[other].contains(branch)) expected = std::max(expected, std::min(time, known[other][branch]));
      }
      ASSERT_EQ(ancestor(b.lineage, one, other), expected) << "round " << round << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace strata::branch
