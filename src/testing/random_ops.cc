#include "testing/random_ops.h"

#include <algorithm>

#include "base/check.h"
#include "model/vector_codec.h"
#include "strata/value.h"

namespace strata::testing {

using Kind = RandomOp::Kind;

std::string describe(const RandomOp& op) {
  static constexpr const char* kNames[] = {
      "put",  "erase",  "put_batch", "transaction", "rollback", "remove_space", "create", "fork",  "remove",
      "copy", "revert", "flush",     "checkpoint",  "compact",  "reopen",       "merge",  "delta", "search"};
  std::string text = std::string(kNames[static_cast<size_t>(op.kind)]) + " " + op.branch;
  if (!op.source.empty()) text += " from " + op.source;
  if (!op.space.empty()) text += " space " + op.space;
  if (!op.collection.empty()) text += " collection " + op.collection;
  if (op.as_of.has_value()) text += " as of " + std::to_string(*op.as_of);
  if (op.keep_micros.has_value()) text += " keeping " + std::to_string(*op.keep_micros);
  for (const ModelWrite& write : op.writes) {
    static constexpr const char* kFamilies[] = {"", "cell ", "document ", "event ", "collection ", "vector "};
    text += "\n    " + std::string(kFamilies[static_cast<size_t>(write.family)]) + write.space + "/";
    for (const char c : write.key.substr(0, 24)) text += c == '\0' ? '/' : c;
    text += write.value.has_value() ? " = " + std::to_string(write.value->size()) + " bytes" : " erased";
  }
  return text;
}

std::string RandomOps::any_branch(const ModelDb& state) {
  auto branch = state.branches().begin();
  std::advance(branch, random_.below(state.branches().size()));
  return branch->first;
}

std::string RandomOps::any_space() {
  static constexpr const char* kSpaces[] = {"default", "default", "notes", "a"};
  return kSpaces[random_.below(std::size(kSpaces))];
}

std::string RandomOps::any_key() {
  // Squared, so that some keys have long histories.
  const uint64_t wide = random_.below(options_.keys * options_.keys);
  uint64_t number = 0;
  while ((number + 1) * (number + 1) <= wide) ++number;
  std::string key = "key/" + std::to_string(options_.keys - 1 - number);
  if (number % 7 == 3) key += "/" + std::string(number * 8, 'p');
  return key;
}

std::string RandomOps::any_value() {
  uint64_t bytes = random_.below(48);
  if (random_.one_in(8)) bytes = random_.below(1500);
  if (random_.one_in(24)) bytes = random_.below(options_.largest_value);
  std::string text = "value " + std::to_string(++written_) + " ";
  while (text.size() < bytes) text.push_back(static_cast<char>('a' + random_.below(26)));
  ValueWriter writer;
  STRATA_CHECK(writer.string(text));
  return std::string(writer.result());
}

std::string RandomOps::any_payload() {
  ValueWriter writer;
  STRATA_CHECK(writer.begin_object() && writer.name("v") && writer.value(ValueView(any_value())) && writer.end());
  return std::string(writer.result());
}

ModelWrite RandomOps::any_write(const ModelBranch& branch, const std::vector<ModelWrite>& before,
                                uint64_t percent_erased) {
  ModelWrite write{any_space(), any_key(), std::nullopt};
  if (!random_.percent(percent_erased)) write.value = any_value();
  if (!options_.families) return write;
  if (random_.percent(options_.percent_vectors)) {
    any_vector(branch, before, &write);
    return write;
  }
  const uint64_t dice = random_.below(10);
  if (dice < 2) write.family = ModelFamily::kCell;
  if (dice >= 2 && dice < 4) {
    write.family = ModelFamily::kDocument;
    if (write.value) write.value = any_payload();
  }
  if (dice >= 8 && write.value) {
    write.family = ModelFamily::kEvent;
    write.key = "type " + std::to_string(random_.below(5));
    write.value = any_payload();
  }
  return write;
}

// ---- vectors ----

std::string RandomOps::any_metadata() {
  const uint64_t fields = random_.below(3);
  if (fields == 0) return {};
  ValueWriter writer;
  STRATA_CHECK(writer.begin_object() && writer.name("n") && writer.integer(static_cast<int64_t>(random_.below(5))));
  if (fields == 2) STRATA_CHECK(writer.name("tag") && writer.string(random_.one_in(2) ? "red" : "blue"));
  STRATA_CHECK(writer.end());
  return std::string(writer.result());
}

// Small whole numbers, among which there are ties, or any numbers; once in a while so large ones that a product of two
// is beyond float32.
std::string RandomOps::vector_for(std::string_view definition) {
  const auto collection = model::parse_collection(definition);
  STRATA_CHECK(collection.has_value());
  std::vector<float> components(collection->dimension);
  const bool whole = random_.one_in(2);
  const float size = random_.one_in(100) ? 1e20F : 1.0F;
  for (float& component : components) {
    const float any = static_cast<float>(random_.below(2'000'001)) / 1e6F - 1;
    component = (whole ? static_cast<float>(random_.below(5)) - 2 : any) * size;
  }
  if (collection->metric == VectorMetric::kCosine && model::find_fault(components) != model::VectorFault::kNone) {
    components[0] = 1;
  }
  std::string value;
  model::build_vector(components, any_metadata(), &value);
  return value;
}

// Makes the collection if there is none, and seldom deletes it.
void RandomOps::any_vector(const ModelBranch& branch, const std::vector<ModelWrite>& before, ModelWrite* write) {
  const std::string collection = random_.one_in(3) ? "few" : "many";
  const auto definition = branch.definition_after(write->space, collection, before);
  const bool erases = !write->value.has_value();
  write->family = ModelFamily::kCollection;
  write->key = collection;
  if (!erases && !definition) {
    static constexpr uint32_t kDimensions[] = {2, 3, 8, 33};
    static constexpr VectorMetric kMetrics[] = {VectorMetric::kCosine, VectorMetric::kEuclidean,
                                                VectorMetric::kDotProduct};
    write->value = model::build_collection(
        {kDimensions[random_.below(std::size(kDimensions))], kMetrics[random_.below(std::size(kMetrics))]});
    return;
  }
  if (erases && random_.one_in(12)) return;
  write->family = ModelFamily::kVector;
  write->key = vector_key(collection, "v" + std::to_string(random_.below(collection == "few" ? 6 : 80)));
  if (!erases) write->value = vector_for(*definition);
}

void RandomOps::search_op(const ModelDb& state, const std::vector<uint64_t>& moments, RandomOp* op) {
  op->kind = Kind::kSearch;
  op->space = any_space();
  op->collection = random_.one_in(4) ? "few" : "many";
  if (moments.empty() || !random_.one_in(4)) return;
  op->as_of = random_.pick(moments);
  if (*op->as_of < state.branch(op->branch).trimmed_before) op->as_of.reset();
}

// False: no branch is one to which a delta of another could be added.
bool RandomOps::delta_op(const ModelDb& state, RandomOp* op) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [name, branch] : state.branches()) {
    if (!branch.twin) continue;
    for (const auto& [source, other] : state.branches()) {
      if (other.id() != branch.twin->id || branch.twin->at < other.trimmed_before) continue;
      pairs.emplace_back(source, name);
    }
  }
  if (pairs.empty()) return false;
  const auto& [source, name] = random_.pick(pairs);
  op->kind = Kind::kDelta;
  op->source = source;
  op->branch = name;
  op->as_of = state.branch(name).twin->at;
  return true;
}

void RandomOps::branch_op(const ModelDb& state, const std::vector<uint64_t>& moments, RandomOp* op) {
  const std::string name = "branch-" + std::to_string(random_.below(options_.branches));
  op->branch = name;
  if (options_.bundles && random_.one_in(3) && delta_op(state, op)) return;
  if (state.branches().size() > 1 && random_.one_in(3)) {
    op->kind = Kind::kMerge;
    op->source = any_branch(state);
    do op->branch = any_branch(state);
    while (op->branch == op->source);
    op->strategy = static_cast<ModelStrategy>(random_.below(3));
    return;
  }
  if (state.branches().count(name) != 0) {
    op->kind = Kind::kRemoveBranch;
    return;
  }
  if (random_.one_in(4)) {
    op->kind = Kind::kCreateBranch;
    return;
  }
  op->kind = Kind::kFork;
  op->source = any_branch(state);
  if (options_.bundles && random_.one_in(3)) {
    op->kind = Kind::kCopy;
    return;
  }
  if (!moments.empty() && random_.one_in(3)) {
    op->as_of = random_.pick(moments);
    if (*op->as_of < state.branch(op->source).trimmed_before) op->as_of.reset();
  }
}

RandomOp RandomOps::next(const ModelDb& state, const std::vector<uint64_t>& moments) {
  RandomOp op;
  const uint64_t dice = random_.below(100);
  if (options_.maintenance && dice < 12) {
    static constexpr Kind kMaintenance[] = {Kind::kFlush,      Kind::kFlush,   Kind::kCheckpoint,
                                            Kind::kCheckpoint, Kind::kCompact, Kind::kReopen};
    op.kind = kMaintenance[random_.below(std::size(kMaintenance))];
    if (op.kind == Kind::kCompact && options_.retention_micros.has_value() && random_.one_in(2)) {
      op.keep_micros = random_.below(*options_.retention_micros + 1);
    }
    return op;
  }
  if (options_.branch_ops && dice < 24) {
    branch_op(state, moments, &op);
    return op;
  }
  op.branch = any_branch(state);
  if (options_.bundles && dice < 26 && !moments.empty() && random_.one_in(2)) {
    op.as_of = random_.pick(moments);
    if (*op.as_of >= state.branch(op.branch).trimmed_before) {
      op.kind = Kind::kRevert;
      return op;
    }
    op.as_of.reset();
  }
  if (dice < 26) {
    const std::vector<std::string> spaces = state.branch(op.branch).spaces({});
    op.space = spaces[random_.below(spaces.size())];
    if (op.space != "default") {
      op.kind = Kind::kRemoveSpace;
      return op;
    }
    op.space.clear();
  }
  const ModelBranch& branch = state.branch(op.branch);
  if (options_.families && dice >= 64 && dice < 70) {
    search_op(state, moments, &op);
    return op;
  }
  if (dice < 70) {
    op.kind = random_.percent(25) ? Kind::kErase : Kind::kPut;
    op.writes.push_back(any_write(branch, {}, op.kind == Kind::kErase ? 100 : 0));
    return op;
  }
  op.kind = dice < 78 ? Kind::kPutBatch : dice < 95 ? Kind::kTransaction : Kind::kRollback;
  const uint64_t count = 1 + random_.below(random_.one_in(10) ? 60 : 6);
  if (op.kind == Kind::kPutBatch) {
    batch(branch, count, &op);
    return op;
  }
  for (uint64_t i = 0; i < count; ++i) op.writes.push_back(any_write(branch, op.writes, 20));
  return op;
}

void RandomOps::batch(const ModelBranch& branch, uint64_t count, RandomOp* op) {
  const std::string space = any_space();
  const auto many = branch.definition_after(space, "many", {});
  const bool vectors = options_.families && many && random_.percent(options_.percent_vectors);
  const bool events = options_.families && random_.one_in(2);
  for (uint64_t i = 0; i < count; ++i) {
    ModelWrite& write = op->writes.emplace_back();
    if (vectors) {
      write = {space, vector_key("many", "v" + std::to_string(random_.below(80))), vector_for(*many),
               ModelFamily::kVector};
    } else if (events) {
      write = {space, "type " + std::to_string(random_.below(5)), any_payload(), ModelFamily::kEvent};
    } else {
      write = {space, any_key(), any_value(), ModelFamily::kKey};
    }
  }
}

}  // namespace strata::testing
