//===- Tripwires.cpp - stops on the way through memory that is read or written in order ---------===//

#include "Tripwires.h"
#include <csignal>
#include <sys/mman.h>
#include <unistd.h>

using namespace heddle;

namespace {
/// The run that faults belong to.
struct Running {
  const std::vector<char *> &pages;
  llvm::function_ref<void()> stop, resume;
  struct sigaction before;
};
Running *running = nullptr;

void setAccess(char *page, int access) { mprotect(page, size_t(Tripwires::pageBytes()), access); }

void onFault(int, siginfo_t *info, void *) {
  char *at = static_cast<char *>(info->si_addr);
  for (char *page : running->pages)
    if (at >= page && at < page + Tripwires::pageBytes()) {
      running->stop();
      setAccess(page, PROT_READ | PROT_WRITE);
      running->resume();
      return; // what faulted is tried again
    }
  sigaction(SIGSEGV, &running->before, nullptr);
}
} // namespace

int64_t Tripwires::pageBytes() { return sysconf(_SC_PAGESIZE); }

Tripwires::Tripwires(char *memory, int64_t bytes, int64_t parts) {
  int64_t size = pageBytes();
  for (int64_t part = 1; part < parts; ++part) {
    char *place = memory + bytes / parts * part;
    char *page = place + (size - reinterpret_cast<intptr_t>(place) % size) % size;
    if (page + size > memory + bytes || (!pages.empty() && page <= pages.back()))
      continue;
    pages.push_back(page);
    // A mapping of its own, so that no run makes the system cut and join mappings.
    madvise(page, size_t(size), MADV_DONTDUMP);
  }
}

void Tripwires::thin(int64_t every) {
  std::vector<char *> left;
  for (size_t i = 0; i < pages.size(); ++i)
    if ((int64_t(i) + 1) % every == 0)
      left.push_back(pages[i]);
    else
      madvise(pages[i], size_t(pageBytes()), MADV_DODUMP); // joined again
  pages = std::move(left);
}

void Tripwires::run(llvm::function_ref<void()> body, llvm::function_ref<void()> stop,
                    llvm::function_ref<void()> resume) {
  Running here{pages, stop, resume, {}};
  running = &here;
  struct sigaction action = {};
  action.sa_sigaction = onFault;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSEGV, &action, &here.before);
  for (char *page : pages)
    setAccess(page, PROT_NONE);
  body();
  for (char *page : pages)
    setAccess(page, PROT_READ | PROT_WRITE);
  sigaction(SIGSEGV, &here.before, nullptr);
  running = nullptr;
}
