#include "derived/json_index_change.h"

#include <algorithm>

#include "model/json_edit.h"
#include "model/json_index_code.h"
#include "model/key_codec.h"
#include "txn/history.h"
#include "txn/key_order.h"
#include "txn/patience.h"
#include "txn/row.h"

namespace strata::derived {
namespace {

// Documents looked at before the nodes are let go of for a moment, and it is asked whether to go on; so many bytes are
// worth one.
constexpr uint64_t kAtOnce = 2000;
constexpr uint64_t kBytesOfADocument = 2048;
// An entry is all key.
constexpr std::string_view kNoRow = "";

}  // namespace

// ---- places ----

std::shared_ptr<const JsonIndexPlace> JsonIndexPlace::parse(std::string_view text) {
  auto place = std::make_shared<JsonIndexPlace>();
  place->text_ = text;
  if (!place->path_.parse(place->text_).is_ok() || !place->path_.singular()) return nullptr;
  return place;
}

bool JsonIndexPlace::same_as(const JsonIndexPlace& other) const {
  const auto same = [](const model::JsonStep& a, const model::JsonStep& b) {
    return a.kind == b.kind && a.text == b.text && a.index == b.index;
  };
  const auto ours = steps();
  const auto theirs = other.steps();
  return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), same);
}

// ---- changes ----

JsonIndexChange::JsonIndexChange(txn::Engine& engine, std::string_view space, std::span<const JsonIndexPlacePtr> places)
    : engine_(engine), space_(space) {
  for (const JsonIndexPlacePtr& path : places) places_.emplace_back().path = path;
}

// A part of the diff, under one guard.
class JsonIndexChange::Pass {
 public:
  explicit Pass(JsonIndexChange* change) : change_(*change), history_(change->engine_) {}

  bool take(std::string_view key, std::string_view from, std::string_view to) {
    for (Place& place : change_.places_) {
      place.before.clear();
      place.after.clear();
    }
    if (!from.empty()) (void)read(from, &Place::before);
    if (!to.empty()) status_ = read(to, &Place::after);
    if (!status_.is_ok()) return false;
    change_.add(key.substr(change_.space_.size() + 2));
    ++seen_;
    if (++work_ < kAtOnce) return true;
    last_.assign(key);
    return false;
  }
  const Status& status() const { return status_; }
  uint64_t seen() const { return seen_; }
  // The key that it was cut at; empty: it came to the end.
  const std::string& last() const { return last_; }

 private:
  Status read(std::string_view row_bytes, std::string Place::*code) {
    txn::RowView row;
    STRATA_TRY(txn::read_row(row_bytes, &row));
    STRATA_ASSIGN(const std::string_view document, history_.value_of(row));
    work_ += document.size() / kBytesOfADocument;
    return change_.find_codes(document, code);
  }

  JsonIndexChange& change_;
  txn::History history_;
  Status status_;
  uint64_t seen_ = 0;
  uint64_t work_ = 0;
  std::string last_;
};

Status JsonIndexChange::find_codes(std::string_view document, std::string Place::*code) {
  for (Place& place : places_) {
    std::string_view part;
    const model::Seek seek = model::find_json(document, place.path->steps(), &part);
    if (seek == model::Seek::kMissing) continue;
    if (seek == model::Seek::kDamaged || !model::append_index_code(part, &(place.*code))) {
      return model::damaged_document();
    }
  }
  return Status::ok();
}

void JsonIndexChange::add(std::string_view key) {
  for (Place& place : places_) {
    if (place.before == place.after) continue;
    for (const bool removed : {true, false}) {
      const std::string& code = removed ? place.before : place.after;
      if (code.empty()) continue;
      place.entries.push_back({place.buffer.size(), static_cast<uint32_t>(code.size() + key.size()), removed});
      place.buffer.append(code).append(key);
    }
  }
}

Result<bool> JsonIndexChange::gather(const tree::Root& from, const tree::Root& to, uint64_t most,
                                     const KeepOn* keep_on) {
  const model::KeySpan span = model::prefix_span(space_, model::Tag::kJson);
  const txn::Patience patience(keep_on);
  std::string begin = span.begin;
  while (true) {
    Pass pass(this);
    {
      const tree::ReadGuard guard(engine_.forest());
      const auto visit = [&](std::string_view key, tree::Change, std::string_view a, std::string_view b) {
        return pass.take(key, a, b);
      };
      STRATA_TRY(engine_.forest().diff(from, to, {begin, span.end}, visit));
    }
    STRATA_TRY(pass.status());
    if (pass.last().empty()) return true;
    if (pass.seen() > most) return false;
    most -= pass.seen();
    STRATA_TRY(patience.ask());
    begin = pass.last() + '\0';
  }
}

Status JsonIndexChange::apply(tree::Edit* edit, std::span<tree::Root> roots, uint64_t exclusive_since) {
  for (size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    // In order the tree is walked through once.
    for (const uint32_t n :
         txn::key_order(place.entries.size(), [&](size_t e) { return place.view(place.entries[e]); })) {
      const Entry& entry = place.entries[n];
      bool removed = false;
      STRATA_TRY(entry.removed ? edit->erase(roots[i], place.view(entry), exclusive_since, &removed)
                               : edit->put(roots[i], place.view(entry), kNoRow, exclusive_since));
    }
  }
  return Status::ok();
}

}  // namespace strata::derived
