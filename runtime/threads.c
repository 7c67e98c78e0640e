/*===- threads.c - a small pool; running the items of a stage --------------------------------------===*/

#define _GNU_SOURCE
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*===--- The pool ----------------------------------------------------------------------------------===*/

/* Calls come close together in a model: a worker spins for some microseconds before it sleeps. */
enum { spins = 4000 };

struct heddle_pool {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  atomic_uint round; /* counts calls */
  atomic_int unfinished;
  int32_t threads, active; /* active: threads of this call, the caller's included */
  int stop;
  void (*body)(void *, int32_t);
  void *argument;
  int32_t created;
  pthread_t workers[];
};

typedef struct worker_start {
  heddle_pool *pool;
  int32_t thread;
} worker_start;

static void relax(void) {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

static void *work(void *start_) {
  worker_start start = *(worker_start *)start_;
  free(start_);
  heddle_pool *pool = start.pool;
  unsigned seen = 0;
  for (;;) {
    for (int i = 0; i < spins && atomic_load_explicit(&pool->round, memory_order_acquire) == seen;
         ++i)
      relax();
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->round) == seen)
      pthread_cond_wait(&pool->wake, &pool->lock);
    seen = atomic_load(&pool->round);
    int stop = pool->stop, mine = start.thread < pool->active;
    pthread_mutex_unlock(&pool->lock);
    if (stop)
      return NULL;
    if (mine)
      pool->body(pool->argument, start.thread);
    if (atomic_fetch_sub(&pool->unfinished, 1) == 1) {
      pthread_mutex_lock(&pool->lock);
      pthread_cond_signal(&pool->done);
      pthread_mutex_unlock(&pool->lock);
    }
  }
}

static void start_round(heddle_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  atomic_store(&pool->unfinished, pool->created);
  atomic_fetch_add_explicit(&pool->round, 1, memory_order_release);
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
}

heddle_pool *heddle_pool_create(int32_t threads) {
  if (threads < 1 || threads > 4096) {
    heddle_fail(HEDDLE_BAD_ARGS, "a pool has 1 to 4096 threads, not %d", (int)threads);
    return NULL;
  }
  heddle_pool *pool = calloc(1, sizeof *pool + (size_t)threads * sizeof *pool->workers);
  if (!pool) {
    heddle_fail(HEDDLE_OUT_OF_MEMORY, "no memory for a pool");
    return NULL;
  }
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->wake, NULL);
  pthread_cond_init(&pool->done, NULL);
  pool->threads = threads;
  for (int32_t i = 1; i < threads; ++i) {
    worker_start *start = malloc(sizeof *start);
    if (start)
      *start = (worker_start){pool, i};
    if (!start || pthread_create(&pool->workers[i - 1], NULL, work, start)) {
      free(start);
      heddle_pool_destroy(pool);
      heddle_fail(HEDDLE_OUT_OF_MEMORY, "cannot start thread %d of %d", (int)i, (int)threads);
      return NULL;
    }
    ++pool->created;
  }
  return pool;
}

void heddle_pool_destroy(heddle_pool *pool) {
  if (!pool)
    return;
  pool->stop = 1;
  start_round(pool);
  for (int32_t i = 0; i < pool->created; ++i)
    pthread_join(pool->workers[i], NULL);
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

void heddle_pool_run(void *pool_, int32_t threads, void (*body)(void *, int32_t), void *argument) {
  heddle_pool *pool = pool_;
  int32_t active = threads < pool->threads ? threads : pool->threads;
  if (pool->created) {
    pool->active = active;
    pool->body = body;
    pool->argument = argument;
    start_round(pool);
  }
  body(argument, 0);
  for (int32_t i = active; i < threads; ++i) /* more asked for than there are */
    body(argument, i);
  if (!pool->created)
    return;
  for (int i = 0; i < spins && atomic_load_explicit(&pool->unfinished, memory_order_acquire); ++i)
    relax();
  pthread_mutex_lock(&pool->lock);
  while (atomic_load(&pool->unfinished))
    pthread_cond_wait(&pool->done, &pool->lock);
  pthread_mutex_unlock(&pool->lock);
}

/*===--- Items of a stage --------------------------------------------------------------------------===*/

typedef struct stage_run {
  const heddle_call *call;
  const heddle_kernel_stage *stage;
  int64_t items;
  char *workspace, *scratch;
  int64_t scratch_bytes;
  atomic_llong next;
} stage_run;

/* Denormals are flushed inside kernels only: spread scores run far slower without (the bits come back). */
static unsigned flush_denormals(void) {
#if defined(__x86_64__)
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);
  return before;
#else
  return 0;
#endif
}
static void restore_denormals(unsigned before) {
#if defined(__x86_64__)
  _mm_setcsr(before);
#else
  (void)before;
#endif
}

static void run_items(void *run_, int32_t thread) {
  stage_run *run = run_;
  unsigned before = flush_denormals();
  char *scratch = run->scratch + thread * run->scratch_bytes;
  for (;;) {
    int64_t taken = atomic_fetch_add_explicit(&run->next, 1, memory_order_relaxed);
    if (taken >= run->items)
      break;
    /* From the end: under a causal mask the last rows have the most keys. */
    run->stage->item(run->call->slots, run->items - 1 - taken, scratch, run->workspace);
  }
  restore_denormals(before);
}

int heddle_run_cpu(const heddle_call *call, const heddle_kernel_variant *variant) {
  int32_t threads = call->exec.threads > 1 ? call->exec.threads : 1;
  stage_run run = {.call = call,
                   .workspace = (char *)heddle_workspace_of(call) + call->temporary_bytes,
                   .scratch_bytes = variant->scratch_bytes};
  run.scratch = run.workspace + ((variant->workspace(call->slots) + 63) & ~(int64_t)63);
  for (int64_t i = 0; i < variant->num_stages; ++i) {
    int64_t sizes[3] = {1, 1, 1};
    run.stage = &variant->stages[i];
    run.stage->grid(call->slots, sizes);
    run.items = sizes[0] * sizes[1] * sizes[2];
    atomic_store(&run.next, 0);
    if (threads == 1 || run.items <= 1)
      run_items(&run, 0);
    else
      call->exec.parallel_for(call->exec.context, threads, run_items, &run);
  }
  return HEDDLE_OK;
}
