// Collections of the oracle, and what writes make of them.
#include "testing/model_db.h"

namespace strata::testing {

std::string vector_key(const std::string& collection, const std::string& key) { return collection + '\0' + key; }

std::string collection_of(const std::string& vector_key) { return vector_key.substr(0, vector_key.find('\0')); }

ModelCollection ModelBranch::collection(const std::string& space, const std::string& name, ModelMoment at) const {
  ModelCollection collection;
  const ModelVersion* definition = get(space, name, at, ModelFamily::kCollection);
  if (definition != nullptr) collection.definition = definition->value;
  for (const auto& [key, version] : scan(space, vector_key(name, ""), at, ModelFamily::kVector)) {
    collection.vectors[key.substr(name.size() + 1)] = *version->value;
  }
  return collection;
}

std::optional<std::string> ModelBranch::definition_after(const std::string& space, const std::string& name,
                                                         const std::vector<ModelWrite>& writes) const {
  for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
    const bool is_its = write->family == ModelFamily::kCollection && write->space == space;
    if (is_its && write->key == name) return write->value;
  }
  const ModelVersion* definition = get(space, name, {}, ModelFamily::kCollection);
  return definition != nullptr ? definition->value : std::nullopt;
}

ModelCollection ModelBranch::collection_after(const std::string& space, const std::string& name,
                                              const std::vector<ModelWrite>& writes) const {
  ModelCollection collection = this->collection(space, name, {});
  for (const ModelWrite& write : writes) {
    if (write.space != space) continue;
    if (write.family == ModelFamily::kCollection && write.key == name) {
      collection.definition = write.value;
      if (!write.value) collection.vectors.clear();
    } else if (write.family == ModelFamily::kVector && collection_of(write.key) == name) {
      const std::string key = write.key.substr(name.size() + 1);
      if (write.value) {
        collection.vectors[key] = *write.value;
      } else {
        collection.vectors.erase(key);
      }
    }
  }
  return collection;
}

}  // namespace strata::testing
