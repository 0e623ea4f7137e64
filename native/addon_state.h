// What the handles given to JavaScript hold, and the functions of the addon by subject. Shared by
// addon.cc, addon_check.cc, addon_queue.cc and addon_reader.cc.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "addon_call.h"
#include "engine.h"

namespace zbus {

// An engine and its line to the event loop. Used on the loop, but for the call of the line, which
// the flusher makes. The line shares it, so it lives until the engine is closed or the environment
// ends.
class EngineState {
 public:
  // Calls `on_progress` with the rows of queues that have made progress.
  static Status open(Napi::Env env, const std::string& folder, const Options& options,
                     const Napi::Function& on_progress, std::shared_ptr<EngineState>* state);

  Engine& engine() { return *engine_; }
  // Room for the strings of an append, kept from one to the next.
  std::vector<char>& text() { return text_; }
  // Hands the rows to JavaScript now.
  void report_progress(Napi::Env env);
  // Keeps the loop alive until the flusher, which is about to get work, has told that it is done.
  // False when it is kept alive already.
  bool hold_loop(Napi::Env env);
  void let_loop_go(Napi::Env env);
  // The engine is closed: no more progress.
  void release_line(Napi::Env env);

 private:
  static void on_wake(Napi::Env env, Napi::Function, EngineState* state, void*);
  static void close_at_exit(EngineState* state);

  using Line = Napi::TypedThreadSafeFunction<EngineState, void, on_wake>;
  using ExitHook = Napi::Env::CleanupHook<void (*)(EngineState*), EngineState>;

  std::shared_ptr<Engine> engine_;
  std::optional<Line> line_;  // none once released
  Napi::FunctionReference on_progress_;
  ExitHook exit_hook_;
  std::atomic<bool> wake_pending_{false};
  std::vector<char> text_;
  bool holds_loop_ = false;  // keeps the loop alive until what was written is synced
};

struct EngineHandle {
  static constexpr napi_type_tag kTag = {0x7a62757300000001, 0x8d0e6b5c24f14a11};
  std::shared_ptr<EngineState> state;
};

struct QueueHandle {
  static constexpr napi_type_tag kTag = {0x7a62757300000002, 0x8d0e6b5c24f14a12};
  std::shared_ptr<EngineState> state;
  std::shared_ptr<Queue> queue;
};

struct CursorHandle {
  static constexpr napi_type_tag kTag = {0x7a62757300000003, 0x8d0e6b5c24f14a13};
  std::shared_ptr<EngineState> state;
  CursorRef cursor;
};

void add_check_functions(Napi::Object exports);
void add_queue_functions(Napi::Object exports);
void add_reader_functions(Napi::Object exports);

}  // namespace zbus
