// The marker of a space: the row that says it exists. Every write into a space sees to it that it is there; the
// default space needs none.
// Thread safety: a value of one thread. Ownership: owns the marker's key.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "model/key_codec.h"

namespace strata::primitives {

constexpr std::string_view kDefaultSpace = "default";

class SpaceMarker {
 public:
  explicit SpaceMarker(std::string_view space) {
    if (space == kDefaultSpace) return;
    key_.emplace(space, model::Tag::kSpace);
    view_ = key_->view();
  }
  // The keys that a write into the space makes sure of. As long as this object.
  std::span<const std::string_view> ensured() const { return {&view_, key_ ? size_t{1} : size_t{0}}; }
  SpaceMarker(const SpaceMarker&) = delete;
  SpaceMarker& operator=(const SpaceMarker&) = delete;

 private:
  std::optional<model::TreeKey> key_;
  std::string_view view_;
};

}  // namespace strata::primitives
