/*===- error.c - the last error of a thread, in words ---------------------------------------------===*/

#include "internal.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[512];

const char *heddle_last_error(void) { return message; }

int heddle_fail(int status, const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(message, sizeof message, format, list);
  va_end(list);
  return status;
}

const char *heddle_status_name(int status) {
  static const char *const names[] = {
      "ok",           "bad_args",     "null_tensor",     "bad_rank",   "bad_shape",
      "bad_type",     "bad_stride",   "misaligned",      "overlap",    "workspace_too_small",
      "too_large",    "requirement",  "unsupported_cpu", "bad_device", "no_driver",
      "driver_error", "out_of_memory"};
  return status >= 0 && status < (int)(sizeof names / sizeof *names) ? names[status] : "unknown";
}
