//===- Kernel.cpp - a compiled spec, loaded and called -----------------------------------------===//

#include "Kernel.h"
#include "Files.h"
#include "codegen/EmitHeader.h"
#include "codegen/EmitLibrary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cstring>
#include <dlfcn.h>

using namespace llvm;
using namespace heddle;

static Error fault(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

std::string heddle::libraryFolder() {
  std::string self = sys::fs::getMainExecutable(nullptr, nullptr);
  SmallString<128> folder(sys::path::parent_path(sys::path::parent_path(self)));
  sys::path::append(folder, "lib");
  return folder.str().str();
}

template <typename T> T *Kernel::symbol(const std::string &name) {
  return reinterpret_cast<T *>(dlsym(handle, name.c_str()));
}

Expected<std::unique_ptr<Kernel>> Kernel::load(const Library &library) {
  Expected<std::string> bytes = emitShared(library, libraryFolder() + "/libheddle_rt.a");
  if (!bytes)
    return bytes.takeError();
  SmallString<128> path;
  if (std::error_code code = sys::fs::createTemporaryFile("heddle", "so", path))
    return createStringError(code, "no temporary file");
  if (Error error = writeFile(path, *bytes))
    return std::move(error);
  std::unique_ptr<Kernel> kernel(new Kernel);
  kernel->handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  std::string why = kernel->handle ? "" : dlerror();
  sys::fs::remove(path);
  if (!kernel->handle)
    return fault("the library cannot be loaded: " + why);
  auto *info = kernel->symbol<const heddle_kernel *()>(library.name + "_info");
  kernel->entry = kernel->symbol<int(const void *)>(library.name + "_run");
  kernel->workspace = kernel->symbol<int(const void *, int64_t *)>(library.name + "_workspace");
  if (!info || !kernel->entry || !kernel->workspace)
    return fault("the library lacks its functions");
  kernel->descriptor = info();
  return std::move(kernel);
}

Kernel::~Kernel() {
  if (pool)
    symbol<void(heddle_pool *)>("heddle_pool_destroy")(pool);
  if (handle)
    dlclose(handle);
}

Error Kernel::failure(int code) {
  lastStatus = code;
  const char *words = symbol<const char *()>("heddle_last_error")();
  const char *name = symbol<const char *(int)>("heddle_status_name")(code);
  return fault(Twine(name) + ": " + words);
}

/// NAME_args: struct_size, tensors, argument dims, params, exec.
void Kernel::words(const Spec &spec, const ValueMap &sizes, Call &call) {
  call.words.assign(1, 0);
  for (heddle_tensor &tensor : call.tensors)
    call.words.push_back(reinterpret_cast<int64_t>(&tensor));
  for (const SpecDim *dim : argumentDims(spec))
    call.words.push_back(sizes.at(dim->name).i);
  for (const SpecParam &param : spec.params)
    if (param.isRuntime) {
      const ExprValue &value = sizes.at(param.name);
      int64_t word = value.i;
      if (value.type == ExprType::Float)
        memcpy(&word, &value.f, sizeof word);
      call.words.push_back(word);
    }
  call.exec.struct_size = sizeof call.exec;
  call.exec.threads = threads;
  call.words.push_back(reinterpret_cast<int64_t>(&call.exec));
  call.words[0] = int64_t(8 * call.words.size());
}

Expected<std::unique_ptr<Kernel::Call>>
Kernel::prepare(const Spec &spec, std::vector<HostTensor> &tensors, const ValueMap &sizes) {
  auto call = std::make_unique<Call>();
  for (HostTensor &tensor : tensors)
    call->tensors.push_back(tensor.describe());
  words(spec, sizes, *call);
  if (threads > 1) {
    if (pool && poolThreads != threads) {
      symbol<void(heddle_pool *)>("heddle_pool_destroy")(pool);
      pool = nullptr;
    }
    if (!pool)
      pool = symbol<heddle_pool *(int32_t)>("heddle_pool_create")(threads);
    if (!pool)
      return failure(HEDDLE_OUT_OF_MEMORY);
    poolThreads = threads;
    call->exec.parallel_for =
        symbol<void(void *, int32_t, void (*)(void *, int32_t), void *)>("heddle_pool_run");
    call->exec.context = pool;
  }
  int64_t bytes = 0;
  if (int status = workspace(call->words.data(), &bytes))
    return failure(status);
  call->workspace.resize(bytes);
  call->exec.workspace = call->workspace.data();
  call->exec.workspace_bytes = bytes;
  return std::move(call);
}

const heddle_kernel_variant *Kernel::bind(const Call &call, int64_t *slots, char **workspace) {
  auto *choose = symbol<const heddle_kernel_variant *(const heddle_kernel *, const void *,
                                                      int64_t *, char **)>("heddle_kernel_choose");
  return choose(descriptor, call.words.data(), slots, workspace);
}

Error Kernel::tryStart(const Call &call) {
  int status = start(call);
  return status ? failure(status) : Error::success();
}

Error Kernel::runOnDevice(const Spec &spec, std::vector<HostTensor> &tensors,
                          const ValueMap &sizes) {
  heddle_device *opened = nullptr;
  if (int status = symbol<int(int32_t, heddle_device **)>("heddle_device_open")(0, &opened))
    return failure(status);
  auto *alloc = symbol<int(heddle_device *, int64_t, void **)>("heddle_device_alloc");
  auto *upload =
      symbol<int(heddle_device *, void *, const void *, int64_t)>("heddle_device_upload");
  auto *download =
      symbol<int(heddle_device *, void *, const void *, int64_t)>("heddle_device_download");
  auto *release = symbol<void(heddle_device *, void *)>("heddle_device_free");
  std::vector<void *> memory;
  auto body = [&]() -> int {
    Call call;
    for (HostTensor &tensor : tensors) {
      memory.push_back(nullptr);
      int status = alloc(opened, tensor.bytes(), &memory.back());
      if (!status)
        status = upload(opened, memory.back(), tensor.data(), tensor.bytes());
      if (status)
        return status;
      call.tensors.push_back(tensor.describe(HEDDLE_CUDA, memory.back()));
    }
    words(spec, sizes, call);
    call.exec.device = opened;
    int64_t bytes = 0;
    int status = workspace(call.words.data(), &bytes);
    memory.push_back(nullptr);
    if (!status)
      status = alloc(opened, bytes, &memory.back());
    call.exec.workspace = memory.back();
    call.exec.workspace_bytes = bytes;
    if (!status)
      status = entry(call.words.data());
    if (!status)
      status = symbol<int(heddle_device *)>("heddle_device_synchronize")(opened);
    for (size_t i = 0; !status && i < tensors.size(); ++i)
      if (tensors[i].spec.isResult)
        status = download(opened, tensors[i].data(), memory[i], tensors[i].bytes());
    return status;
  };
  int status = body();
  Error error = status ? failure(status) : Error::success();
  for (void *block : memory)
    release(opened, block);
  symbol<void(heddle_device *)>("heddle_device_close")(opened);
  return error;
}

Error Kernel::run(const Spec &spec, std::vector<HostTensor> &tensors, const ValueMap &sizes) {
  if (device == HEDDLE_CUDA)
    return runOnDevice(spec, tensors, sizes);
  Expected<std::unique_ptr<Call>> call = prepare(spec, tensors, sizes);
  if (!call)
    return call.takeError();
  return tryStart(**call);
}
