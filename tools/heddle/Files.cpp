//===- Files.cpp - writing files that are whole or not there -----------------------------------===//

#include "Files.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

static Error fault(StringRef path, std::error_code code) {
  return createStringError(code, Twine("cannot write ") + path + ": " + code.message());
}

/// Writes to what is no plain file.
static Error writeInPlace(StringRef path, StringRef bytes) {
  std::error_code code;
  raw_fd_ostream out(path, code, sys::fs::OF_None);
  if (!code) {
    out << bytes;
    out.close();
    code = out.error();
    out.clear_error();
  }
  return code ? fault(path, code) : Error::success();
}

Error heddle::writeFile(StringRef path, StringRef bytes) {
  sys::fs::file_status status;
  bool exists = !sys::fs::status(path, status) && sys::fs::exists(status);
  if (exists && sys::fs::is_directory(status))
    return fault(path, std::make_error_code(std::errc::is_a_directory));
  if (path == "-" || (exists && !sys::fs::is_regular_file(status)))
    return writeInPlace(path, bytes);
  auto file =
      sys::fs::TempFile::create(path + ".%%%%%%.tmp", sys::fs::all_read | sys::fs::all_write);
  if (!file)
    return fault(path, errorToErrorCode(file.takeError()));
  raw_fd_ostream out(file->FD, /*shouldClose=*/false);
  out << bytes;
  out.flush();
  if (std::error_code code = out.error()) {
    out.clear_error();
    consumeError(file->discard());
    return fault(path, code);
  }
  if (Error error = file->keep(path))
    return fault(path, errorToErrorCode(std::move(error)));
  return Error::success();
}
