#include "addon_state.h"

#include <utility>

namespace zbus {
namespace {
constexpr size_t kProgressWidth = 4;
}  // namespace

Status EngineState::open(Napi::Env env, const std::string& folder, const Options& options,
                         const Napi::Function& on_progress, std::shared_ptr<EngineState>* opened) {
  auto state = std::make_shared<EngineState>();
  using Shared = std::shared_ptr<EngineState>;
  const auto finalize = [](Napi::Env, Shared* shared, EngineState*) { delete shared; };
  state->line_ = Line::New(env, "zbus", 0, 1, state.get(), finalize, new Shared(state));
  state->line_->Unref(env);
  const auto wake = [state = state.get()] {
    if (!state->wake_pending_.exchange(true)) state->line_->NonBlockingCall();
  };
  Status status = Engine::open(posix_vfs(), folder, options, wake, &state->engine_);
  if (!status.ok()) {
    state->line_->Abort();
    return status;
  }
  state->on_progress_ = Napi::Persistent(on_progress);
  // Added after the line was made, so run before it is torn down.
  state->exit_hook_ = env.AddCleanupHook(close_at_exit, state.get());
  *opened = std::move(state);
  return {};
}

void EngineState::report_progress(Napi::Env env) {
  if (!line_) return;
  const std::vector<Progress> rows = engine_->take_progress();
  if (rows.empty()) return;
  auto table = Napi::Float64Array::New(env, rows.size() * kProgressWidth);
  if (table.IsEmpty()) return;  // the environment ends
  double* number = table.Data();
  for (const Progress& row : rows) {
    *number++ = static_cast<double>(row.queue_id);
    *number++ = static_cast<double>(row.written_end);
    *number++ = static_cast<double>(row.durable_end);
    *number++ = row.failed ? 1 : 0;
  }
  on_progress_.Call(env.Undefined(), {table});
}

bool EngineState::hold_loop(Napi::Env env) {
  if (holds_loop_ || !line_) return false;
  holds_loop_ = true;
  line_->Ref(env);
  return true;
}

void EngineState::let_loop_go(Napi::Env env) {
  if (!holds_loop_ || !line_) return;
  holds_loop_ = false;
  line_->Unref(env);
}

void EngineState::release_line(Napi::Env env) {
  if (!line_) return;
  if (!exit_hook_.IsEmpty()) exit_hook_.Remove(env);
  line_->Release();
  line_.reset();
  on_progress_.Reset();
}

// On the loop, after the flusher has called for it.
void EngineState::on_wake(Napi::Env env, Napi::Function, EngineState* state, void*) {
  if (env == nullptr) return;  // the environment ends
  state->wake_pending_.store(false);
  state->report_progress(env);
  // Node only warns of what a call from another thread has thrown.
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
  // What the callback has written asks for the loop again.
  if (state->engine_->idle()) state->let_loop_go(env);
}

// The environment ends with the engine open.
void EngineState::close_at_exit(EngineState* state) {
  static_cast<void>(state->engine_->close());
  state->exit_hook_ = {};  // run, so no more to be removed
  state->release_line(state->on_progress_.Env());
}

}  // namespace zbus
