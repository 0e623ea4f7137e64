// What an operation of the engine answers: ok, or a code that the caller can act on and a text for
// people. Used by every file of the engine; addon.cc turns it into a JavaScript error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace zbus {

enum class Code : uint8_t {
  kOk,
  kInvalid,   // an argument breaks its rule
  kNotFound,  //
  kLocked,    // another process holds the data folder
  kNoSpace,   // the disk is full, or below the free space that must stay
  kReadOnly,  // the queue failed earlier: final until it is opened again
  kClosed,    //
  kIo,        // anything else the file system answered
};

// The name JavaScript sees in `error.code`.
const char* code_name(Code code);

// Cheap to return and to copy: one pointer, null when ok.
class [[nodiscard]] Status {
 public:
  Status() = default;

  static Status error(Code code, std::string message);
  // Names call, path and errno; out of room (ENOSPC, EDQUOT) becomes kNoSpace, else kIo.
  static Status io(const char* call, const std::string& path, int error_number);

  bool ok() const { return error_ == nullptr; }
  Code code() const { return ok() ? Code::kOk : error_->code; }
  const char* message() const { return ok() ? "" : error_->message.c_str(); }
  // 0 when no system call failed.
  int error_number() const { return ok() ? 0 : error_->error_number; }

 private:
  struct Error {
    Code code;
    int error_number;
    std::string message;
  };
  std::shared_ptr<const Error> error_;
};

}  // namespace zbus
