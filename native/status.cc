#include "status.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace zbus {

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kInvalid:
      return "INVALID";
    case Code::kNotFound:
      return "NOT_FOUND";
    case Code::kLocked:
      return "LOCKED";
    case Code::kNoSpace:
      return "NO_SPACE";
    case Code::kReadOnly:
      return "READ_ONLY";
    case Code::kClosed:
      return "CLOSED";
    case Code::kIo:
      return "IO";
  }
  return "IO";
}

Status Status::error(Code code, std::string message) {
  Status status;
  status.error_ = std::make_shared<const Error>(Error{code, 0, std::move(message)});
  return status;
}

Status Status::io(const char* call, const std::string& path, int error_number) {
  Code code = Code::kIo;
  if (error_number == ENOSPC || error_number == EDQUOT) code = Code::kNoSpace;
  std::string message = std::string(call) + " " + path + ": " + std::strerror(error_number);
  Status status;
  status.error_ = std::make_shared<const Error>(Error{code, error_number, std::move(message)});
  return status;
}

}  // namespace zbus
