#include "strata/embedding.h"

#include "derived/caches.h"
#include "model/vector_codec.h"
#include "search/embedding_run.h"
#include "search/meaning.h"
#include "search/scope.h"

namespace strata {
namespace {

Status refuse(std::string what) {
  return Status::error(Code::kInvalidEmbedding, std::move(what),
                       "an embedder returns one vector of finite numbers for each text, all of one length");
}

}  // namespace

EmbeddingRun::EmbeddingRun(uint64_t embedder) : impl_(std::make_unique<Impl>(embedder)) {}
EmbeddingRun::~EmbeddingRun() = default;

const std::vector<std::string>& EmbeddingRun::wanted() const { return impl_->wanted; }

Status Embedding::add(EmbeddingRun* run, size_t first, std::span<const float> vectors, size_t dimension) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  EmbeddingRun::Impl& impl = run->impl();
  if (dimension == 0 || dimension > kMaxVectorDimension) {
    return refuse("the embedder made vectors of " + std::to_string(dimension) + " components; 1 to 65536 are allowed");
  }
  const size_t count = vectors.size() / dimension;
  if (vectors.size() % dimension != 0 || first > impl.wanted.size() || count > impl.wanted.size() - first) {
    return refuse("the embedder made another number of vectors than it got texts");
  }
  for (size_t i = 0; i < count; ++i) {
    if (model::find_fault(vectors.subspan(i * dimension, dimension)) == model::VectorFault::kNotFinite) {
      return refuse("the embedder made a vector with NaN or infinity in it, of text " + std::to_string(first + i));
    }
  }
  for (size_t i = 0; i < count; ++i) {
    const std::span<const float> vector = vectors.subspan(i * dimension, dimension);
    switch (impl.roles[first + i]) {
      case EmbeddingRun::Impl::Role::kProbe:
        impl.set = context->caches->embeddings().decide(impl.embedder, vector);
        break;
      case EmbeddingRun::Impl::Role::kQuery:
        impl.query.emplace(vector.begin(), vector.end());
        break;
      case EmbeddingRun::Impl::Role::kDocument:
        if (!impl.set->store.add(impl.wanted[first + i], vector)) {
          return refuse("the embedder made vectors of " + std::to_string(dimension) + " components, and of " +
                        std::to_string(impl.set->store.dimension()) + " before");
        }
        break;
    }
  }
  return Status::ok();
}

Status Embedding::follow(EmbeddingRun* run) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  EmbeddingRun::Impl& impl = run->impl();
  impl.want_nothing();
  Status followed;
  {
    SearchRequest request;
    request.embedding = run;
    search::Scope scope(*context, request);
    followed = scope.open();
    txn::Patience patience(context->keep_on);
    if (followed) followed = search::want_documents(&scope, &impl, &patience);
  }
  impl.let_go();
  return followed;
}

}  // namespace strata
