#include "search/scope.h"

#include <algorithm>

#include "derived/text_documents.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/space_marker.h"

namespace strata::search {
namespace {

using derived::DocumentKind;

static_assert(static_cast<int>(SearchPrimitive::kEvent) == static_cast<int>(DocumentKind::kEvent) &&
              static_cast<int>(SearchPrimitive::kJson) == static_cast<int>(DocumentKind::kJson) &&
              static_cast<int>(SearchPrimitive::kKv) == static_cast<int>(DocumentKind::kKv) &&
              static_cast<int>(SearchPrimitive::kState) == static_cast<int>(DocumentKind::kState) &&
              static_cast<int>(SearchPrimitive::kVector) == static_cast<int>(DocumentKind::kVector));

}  // namespace

Scope::Scope(const txn::Context& context, const SearchRequest& request)
    : context_(context), request_(request), run_(request.embedding != nullptr ? &request.embedding->impl() : nullptr) {
  if (request.spaces) {
    for (const std::string_view space : *request.spaces) spaces_.emplace_back(space);
    std::sort(spaces_.begin(), spaces_.end());
    spaces_.erase(std::unique(spaces_.begin(), spaces_.end()), spaces_.end());
  } else {
    spaces_.emplace_back(context.space);
  }
  if (!request.primitives) return;
  kinds_ = 0;
  for (const SearchPrimitive primitive : *request.primitives) kinds_ |= 1u << static_cast<unsigned>(primitive);
}

Status Scope::open() {
  for (const std::string& space : spaces_) STRATA_TRY(model::check_space_name(space));
  STRATA_TRY(open_view());
  if (!request_.spaces) return Status::ok();
  for (const std::string& space : spaces_) {
    if (space == primitives::kDefaultSpace || space == context_.space) continue;
    STRATA_ASSIGN(const auto marker, view_->get(model::TreeKey(space, model::Tag::kSpace), false));
    if (!marker) {
      return Status::error(Code::kSpaceNotFound, "space " + model::quoted(space) + " does not exist",
                           "space_list() names those that do");
    }
  }
  return Status::ok();
}

Status Scope::open_view() {
  view_.emplace(context_);
  if (run_ == nullptr) return view_->open(request_.as_of);
  run_->enter(context_);
  const bool goes_on = run_->held && context_.transaction == nullptr;
  if (goes_on) {
    view_->open_at(run_->held->head());
    return Status::ok();
  }
  STRATA_TRY(view_->open(request_.as_of));
  if (context_.transaction == nullptr && !view_->past()) run_->held.emplace(*context_.engine, view_->head());
  return Status::ok();
}

void Scope::note_reads() {
  if (!view_->tracked()) return;
  for (const std::string& space : spaces_) {
    for (size_t kind = 0; kind < derived::kDocumentKinds; ++kind) {
      if ((kinds_ >> kind & 1) == 0) continue;
      const model::KeySpan span = model::prefix_span(space, derived::document_tag(static_cast<DocumentKind>(kind)));
      context_.transaction->note_range(span.begin, span.end);
    }
  }
}

const derived::HeldHead& Scope::hold() {
  if (run_ != nullptr && run_->held && context_.transaction == nullptr) return *run_->held;
  if (!held_) held_.emplace(*context_.engine, view_->head());
  return *held_;
}

Status Scope::reopen(const derived::HeldHead& held) {
  return derived::open_again(context_, request_.as_of, held, &view_);
}

}  // namespace strata::search
