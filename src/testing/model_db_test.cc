#include "testing/model_db.h"

#include <gtest/gtest.h>

namespace strata::testing {
namespace {

ModelWrite put(const std::string& key, const std::string& value, const std::string& space = "default") {
  return {space, key, value};
}
ModelWrite erase(const std::string& key) { return {"default", key, std::nullopt}; }

TEST(ModelDbTest, VersionsCountOnOverDeletes) {
  ModelDb db;
  db.write("default", {put("k", "a")}, 10);
  db.write("default", {erase("k")}, 20);
  db.write("default", {put("k", "b")}, 30);
  EXPECT_EQ(db.branch("default").history("default", "k", {}),
            (std::vector<ModelVersion>{{30, 3, "b"}, {20, 2, std::nullopt}, {10, 1, "a"}}));
  EXPECT_EQ(db.branch("default").get("default", "k", 25), nullptr);
  EXPECT_EQ(*db.branch("default").get("default", "k", 19)->value, "a");
  EXPECT_EQ(db.branch("default").get("default", "k", 9), nullptr);
}

TEST(ModelDbTest, LastWriteOfACommitCounts) {
  ModelDb db;
  db.write("default", {put("k", "a"), put("k", "b"), put("l", "c"), erase("l")}, 10);
  EXPECT_EQ(db.branch("default").history("default", "k", {}), (std::vector<ModelVersion>{{10, 1, "b"}}));
  EXPECT_TRUE(db.branch("default").history("default", "l", {}).empty());
}

TEST(ModelDbTest, DeletingNothingChangesNothing) {
  ModelDb db;
  EXPECT_FALSE(db.changes("default", {erase("k")}));
  EXPECT_FALSE(db.changes("default", {put("k", "a"), erase("k")}));
  EXPECT_TRUE(db.changes("default", {put("k", "a")}));
}

TEST(ModelDbTest, SpacesAppearWithTheirFirstPut) {
  ModelDb db;
  db.write("default", {put("k", "a", "notes"), {"notes", "k", std::nullopt}}, 10);
  EXPECT_EQ(db.branch("default").spaces({}), (std::vector<std::string>{"default", "notes"}));
  db.write("default", {put("k", "a", "notes")}, 20);
  db.remove_space("default", "notes", 30);
  EXPECT_EQ(db.branch("default").spaces({}), std::vector<std::string>{"default"});
  EXPECT_EQ(db.branch("default").spaces(29), (std::vector<std::string>{"default", "notes"}));
  EXPECT_EQ(db.branch("default").key_count(), 0u);
}

TEST(ModelDbTest, ForksShareThePastOnly) {
  ModelDb db;
  db.write("default", {put("k", "a")}, 10);
  db.write("default", {put("k", "b")}, 20);
  db.fork("default", "now", 20, 30);
  db.fork("default", "then", 10, 40);
  db.write("default", {put("k", "c")}, 50);
  db.write("then", {put("k", "d")}, 60);
  EXPECT_EQ(*db.branch("now").get("default", "k", {})->value, "b");
  EXPECT_EQ(db.branch("then").history("default", "k", {}), (std::vector<ModelVersion>{{60, 2, "d"}, {10, 1, "a"}}));
  EXPECT_EQ(db.branch("default").history("default", "k", {}).size(), 3u);
}

TEST(ModelDbTest, RetentionRemovesWhatNobodyCanSee) {
  ModelDb db;
  db.write("default", {put("k", "a"), put("l", "x")}, 10);
  db.write("default", {put("k", "b"), erase("l")}, 20);
  db.write("default", {put("k", "c")}, 30);
  db.trim(20);
  EXPECT_EQ(db.branch("default").history("default", "k", {}), (std::vector<ModelVersion>{{30, 3, "c"}, {20, 2, "b"}}));
  EXPECT_TRUE(db.branch("default").history("default", "l", {}).empty());
  db.write("default", {put("l", "y")}, 40);
  EXPECT_EQ(db.branch("default").get("default", "l", {})->version, 1u) << "counting starts again";
}

TEST(ModelDb, CellsAndKeysHaveNamesOfTheirOwn) {
  ModelDb db;
  db.write("default", {put("k", "key"), {"default", "k", "cell", ModelFamily::kCell}}, 10);
  EXPECT_EQ(*db.branch("default").get("default", "k", {})->value, "key");
  EXPECT_EQ(*db.branch("default").get("default", "k", {}, ModelFamily::kCell)->value, "cell");
  EXPECT_EQ(db.branch("default").key_count(), 2u);
  EXPECT_EQ(db.branch("default").scan("default", "", {}, ModelFamily::kCell).size(), 1u);
}

TEST(ModelDb, EventsAreAListOfTheirSpace) {
  ModelDb db;
  const auto append = [](const std::string& space, const std::string& payload) {
    return ModelWrite{space, "type", payload, ModelFamily::kEvent};
  };
  db.write("default", {append("s", "a"), append("s", "b")}, 10);
  db.write("default", {append("s", "c"), append("default", "d")}, 20);
  EXPECT_EQ(db.branch("default").events("s", {}).size(), 3u);
  EXPECT_EQ(db.branch("default").events("s", 19).size(), 2u);
  EXPECT_EQ(db.branch("default").key_count(), 4u);
  db.remove_space("default", "s", 30);
  db.write("default", {append("s", "e")}, 40);
  ASSERT_EQ(db.branch("default").events("s", {}).size(), 1u);
  EXPECT_EQ(db.branch("default").events("s", {})[0]->payload, "e");
  EXPECT_TRUE(db.branch("default").events("s", 30).empty());
  db.fork("default", "then", 29, 50);
  ASSERT_EQ(db.branch("then").events("s", {}).size(), 3u);
  EXPECT_EQ(db.branch("then").events("s", {})[2]->payload, "c");
}

ModelWrite collection(const std::string& name, std::optional<std::string> definition) {
  return {"default", name, std::move(definition), ModelFamily::kCollection};
}
ModelWrite vector(const std::string& name, const std::string& key, std::optional<std::string> value) {
  return {"default", vector_key(name, key), std::move(value), ModelFamily::kVector};
}

TEST(ModelDb, ACollectionTakesItsVectorsAlong) {
  ModelDb db;
  db.write("default", {collection("c", "2"), vector("c", "a", "x"), vector("c", "b", "y"), vector("cc", "a", "z")}, 10);
  EXPECT_EQ(db.branch("default").key_count(), 3u) << "collections do not count";
  db.write("default",
           {vector("c", "d", "w"), collection("c", std::nullopt), collection("c", "3"), vector("c", "b", "v")}, 20);
  const ModelCollection now = db.branch("default").collection("default", "c", {});
  EXPECT_EQ(now.definition, "3");
  EXPECT_EQ(now.vectors, (std::map<std::string, std::string>{{"b", "v"}}));
  EXPECT_EQ(db.branch("default").collection("default", "c", 19).vectors.size(), 2u);
  EXPECT_EQ(db.branch("default").collection("default", "cc", {}).vectors.size(), 1u);
  EXPECT_EQ(db.branch("default").find("default", vector_key("c", "d"), {}, ModelFamily::kVector), nullptr);
}

TEST(ModelDb, WritesOnTopOfACollection) {
  ModelDb db;
  db.write("default", {collection("c", "2"), vector("c", "a", "x")}, 10);
  const ModelBranch& branch = db.branch("default");
  const std::vector<ModelWrite> writes = {vector("c", "b", "y"), vector("c", "a", std::nullopt), vector("d", "b", "z")};
  EXPECT_EQ(branch.collection_after("default", "c", writes).vectors, (std::map<std::string, std::string>{{"b", "y"}}));
  EXPECT_EQ(branch.definition_after("default", "c", writes), "2");
  EXPECT_EQ(branch.definition_after("default", "c", {collection("c", std::nullopt)}), std::nullopt);
  EXPECT_TRUE(branch.collection_after("default", "c", {collection("c", std::nullopt)}).vectors.empty());
}

// The base has c of 2; the source makes it anew as 3, the target writes a vector later.
TEST(ModelDb, ACollectionThatTheSidesDefineOtherwiseMergesAsOne) {
  for (const ModelStrategy strategy :
       {ModelStrategy::kLastWriterWins, ModelStrategy::kSource, ModelStrategy::kTarget}) {
    ModelDb db;
    db.write("default", {collection("c", "2"), vector("c", "a", "x"), vector("c", "b", "x")}, 10);
    db.fork("default", "source", 10, 20);
    db.write("source", {collection("c", std::nullopt), collection("c", "3"), vector("c", "b", "y")}, 30);
    db.write("default", {vector("c", "a", "w")}, 40);
    db.write("source", {vector("c", "gone", "y")}, 50);
    db.write("source", {vector("c", "gone", std::nullopt)}, 60);  // is no part of it any more
    const ModelMerge merged = db.merge({"source", "default", strategy}, 60, 70);
    EXPECT_EQ(merged.conflicts, 1u);
    const ModelCollection after = db.branch("default").collection("default", "c", {});
    if (strategy == ModelStrategy::kSource) {
      EXPECT_EQ(merged.keys_applied, 2u);
      EXPECT_EQ(after.definition, "3");
      EXPECT_EQ(after.vectors, (std::map<std::string, std::string>{{"b", "y"}}));
    } else {
      EXPECT_EQ(merged.keys_applied, 0u);
      EXPECT_EQ(after.definition, "2");
      EXPECT_EQ(after.vectors, (std::map<std::string, std::string>{{"a", "w"}, {"b", "x"}}));
    }
  }
}

TEST(ModelDb, VectorsMergeOneByOneWhereTheirCollectionIsTheSame) {
  ModelDb db;
  db.write("default", {collection("c", "2"), vector("c", "a", "x"), vector("c", "b", "x")}, 10);
  db.fork("default", "source", 10, 20);
  db.write("source", {vector("c", "a", "s"), vector("c", "b", "s")}, 30);
  db.write("default", {vector("c", "b", "t"), vector("c", "d", "t")}, 40);
  const ModelMerge merged = db.merge({"source", "default"}, 40, 50);
  EXPECT_EQ(merged, (ModelMerge{1, 1, 1}));
  EXPECT_EQ(db.branch("default").collection("default", "c", {}).vectors,
            (std::map<std::string, std::string>{{"a", "s"}, {"b", "t"}, {"d", "t"}}));
}

}  // namespace
}  // namespace strata::testing
