#include "tree/node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "tree/node_build.h"

namespace strata::tree {
namespace {

constexpr storage::NodeId kId = storage::make_node_id(9, 1);

// Exactly one node's bytes on the heap, so that the address sanitizer sees every step beside it.
class Bytes {
 public:
  Bytes() : words_(new uint64_t[storage::kPageBytes / 8]()) {}
  char* data() { return reinterpret_cast<char*>(words_.get()); }
  Node& node() { return *reinterpret_cast<Node*>(data()); }

 private:
  std::unique_ptr<uint64_t[]> words_;
};

std::vector<std::string> sample_keys() {
  std::vector<std::string> keys;
  for (int i = 0; i < 12; ++i) keys.push_back("common/" + std::string(static_cast<size_t>(i), 'k') + std::to_string(i));
  keys.push_back("common/");
  keys.push_back(std::string("common/\0", 8));
  keys.push_back(std::string("common/\xff\xff\xff\xff\xff", 12));
  std::sort(keys.begin(), keys.end());
  return keys;
}

void make_leaf(Bytes* bytes) {
  const std::vector<std::string> keys = sample_keys();
  std::vector<Cell> cells;
  for (const std::string& key : keys) cells.push_back({{}, key, key, {}});
  build(bytes->data(), kId, 5, 0, cells);
}

void make_inner(Bytes* bytes) {
  const std::vector<std::string> keys = sample_keys();
  std::vector<Cell> cells;
  for (const std::string& key : keys) {
    cells.push_back({{}, key, {}, {storage::make_node_id(20 + cells.size(), 1), 4, 7}});
  }
  build(bytes->data(), kId, 5, 1, cells);
}

// Does with a node that passed validation whatever the tree does with one.
uint64_t exercise(Node& node) {
  uint64_t sum = node.is_leaf() ? 0 : node.total();
  std::string key;
  for (uint32_t i = 0; i < node.count(); ++i) {
    node.copy_key(i, &key);
    bool exact = false;
    sum += node.is_leaf() ? node.find(key, &exact) + node.row(i).size() : node.find_child(key) + node.child(i).count;
    for (const char c : key) sum += static_cast<uint8_t>(c);
  }
  std::vector<Cell> cells;
  gather(node, &cells);
  const size_t bytes = built_bytes(cells, node.level());
  EXPECT_LE(bytes, size_t{storage::kPageBytes});
  if (bytes <= storage::kPageBytes) {
    Bytes rebuilt;
    build(rebuilt.data(), kId, 6, node.level(), cells);
    EXPECT_EQ(validate(rebuilt.node(), kId), nullptr);
  }
  Bytes changed;
  changed.node().copy_from(node, kId, 7);
  Node& copy = changed.node();
  while (copy.count() > 1) {
    const uint32_t i = copy.count() / 2;
    if (copy.is_leaf()) {
      copy.replace_row(i, "");
      copy.replace_row(i, std::string(300, 'r'));
      copy.copy_key(i, &key);
      copy.remove(i);
      if (copy.count() > 1 && copy.has_room(Node::leaf_cell_bytes(key.size(), 3))) copy.insert_row(i, key, "new");
    }
    copy.remove(copy.count() / 3);
    if (copy.count() > 0) {
      EXPECT_STREQ(validate(copy, kId), nullptr);
    }
  }
  return sum;
}

void flip_every_byte(Bytes& original) {
  ASSERT_EQ(validate(original.node(), kId), nullptr);
  uint64_t accepted = 0;
  uint64_t refused = 0;
  for (uint32_t at = 4; at < storage::kPageBytes; ++at) {  // the first four are the checksum
    for (const uint8_t mask : {0x01, 0x02, 0x80, 0xff}) {
      Bytes damaged;
      std::memcpy(damaged.data(), original.data(), storage::kPageBytes);
      damaged.data()[at] = static_cast<char>(damaged.data()[at] ^ mask);
      if (validate(damaged.node(), kId) != nullptr) {
        ++refused;
      } else {
        ++accepted;
        exercise(damaged.node());
      }
    }
  }
  EXPECT_GT(accepted, 1000u);  // rows, free space and hints may be anything
  EXPECT_GT(refused, 300u);
}

TEST(NodeTest, EveryByteOfALeafFlippedIsRefusedOrHarmless) {
  Bytes leaf;
  make_leaf(&leaf);
  exercise(leaf.node());
  flip_every_byte(leaf);
}

TEST(NodeTest, EveryByteOfAnInnerNodeFlippedIsRefusedOrHarmless) {
  Bytes inner;
  make_inner(&inner);
  exercise(inner.node());
  flip_every_byte(inner);
}

TEST(NodeTest, OverlappingCellsAreRefused) {
  Bytes leaf;
  std::vector<Cell> cells = {{{}, "a", "xx", {}}, {{}, "b", "yy", {}}, {{}, "c", "zz", {}}};
  build(leaf.data(), kId, 5, 0, cells);
  ASSERT_EQ(validate(leaf.node(), kId), nullptr);
  char* slots = leaf.data() + Node::kHeaderBytes;
  std::memcpy(slots + 8, slots, 2);  // the second cell where the first lies
  EXPECT_NE(validate(leaf.node(), kId), nullptr);
}

TEST(NodeTest, HeadsThatTieAreToldApartByTheWholeKey) {
  Bytes leaf;
  std::vector<std::string> keys = {std::string(),
                                   std::string(1, '\0'),
                                   std::string(2, '\0'),
                                   "aaaa",
                                   "aaaab",
                                   "aaaac",
                                   "aaaac" + std::string(1, '\0'),
                                   "b"};
  std::vector<Cell> cells;
  for (const std::string& key : keys) cells.push_back({{}, key, "r", {}});
  build(leaf.data(), kId, 5, 0, cells);
  for (uint32_t i = 0; i < keys.size(); ++i) {
    bool exact = false;
    EXPECT_EQ(leaf.node().find(keys[i], &exact), i);
    EXPECT_TRUE(exact);
    EXPECT_EQ(leaf.node().find(keys[i] + std::string(1, '\0') + "\x01", &exact), i + (i < 2 ? 3 - i : i == 5 ? 2 : 1));
    EXPECT_FALSE(exact);
  }
}

TEST(NodeTest, CommonPrefixIsStoredOnce) {
  Bytes leaf;
  const std::string prefix(500, 'p');
  std::vector<std::string> keys;
  for (int i = 100; i < 140; ++i) keys.push_back(prefix + std::to_string(i));
  std::vector<Cell> cells;
  for (const std::string& key : keys) cells.push_back({{}, key, "row", {}});
  build(leaf.data(), kId, 5, 0, cells);  // 40 x 500 bytes of prefix in a page of 4,096
  EXPECT_EQ(leaf.node().prefix(), prefix + "1");
  std::string key;
  leaf.node().copy_key(39, &key);
  EXPECT_EQ(key, keys[39]);
}

TEST(NodeTest, SeparatorIsTheShortestKeyBetween) {
  std::string separator;
  make_separator({{}, "apple", {}, {}}, {"ap", "ricot", {}, {}}, &separator);
  EXPECT_EQ(separator, "apr");
  make_separator({{}, "a", {}, {}}, {{}, "abc", {}, {}}, &separator);
  EXPECT_EQ(separator, "ab");
}

}  // namespace
}  // namespace strata::tree
