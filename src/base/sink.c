/* Lines to a file, to standard output or over a wire, through a thread that may wait where traffic must not.
 *
 * Batches are copied into one buffer under a lock; the writer swaps it for an empty one and writes without the lock.
 * Callers are reactors (once a turn, not once a line) and the control thread. A ring without locks would save nothing
 * at that rate. A writer stuck in the kernel (a dead network file system) cannot be ended: it is left behind and frees
 * the sink when it comes back.
 */
#include "base/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/sink_wire.h"

enum {
    SINK_WAITING_MAX = 4 << 20,
    SINK_KEEP_BYTES = 256 << 10, /* a larger buffer goes back to the system after its batch */
    SINK_POLL_MS = 100,          /* how often a blocked writer looks whether it has to end */
    SINK_GIVE_UP_MS = 1900,      /* after sink_destroy: the writer stops trying */
    SINK_LEAVE_MS = 2000,        /* and sink_destroy stops waiting for the writer */
};

struct sink_bytes {
    char *p;
    size_t n;
    size_t cap;
};

struct sink {
    /* fixed after create */
    pthread_t thread;
    char *path;             /* NULL: standard output, which is not ours to close or to change, or a wire */
    struct sink_wire *wire; /* NULL: a file */
    /* writer only */
    int fd;
    size_t step; /* bytes that one write may have without blocking for ever */
    bool torn;   /* the file ends inside a line */
    struct sink_bytes writing;
    /* shared, under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work;
    pthread_cond_t end;
    struct sink_bytes waiting;
    size_t in_flight;
    bool reopen;
    bool stop;
    bool ended;
    bool left; /* sink_destroy has gone: the writer frees */
    /* shared */
    _Atomic int64_t give_up_ms;
    _Atomic int reopened; /* sink_reopen_result */
    _Atomic uint64_t dropped;
};

/* The system's time, not base/clock.h's: what is waited for here is the kernel. */
static int64_t sink_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Non-blocking, so that a pipe without a reader is noticed instead of waited for; regular files do not care. */
static int sink_open(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

/* False when the sink's time is up. */
static bool sink_wait_writable(struct sink *sink)
{
    struct pollfd wanted = {.fd = sink->fd, .events = POLLOUT};
    for (;;) {
        int64_t left_ms = atomic_load(&sink->give_up_ms) - sink_now_ms();
        if (left_ms <= 0)
            return false;
        if (poll(&wanted, 1, left_ms < SINK_POLL_MS ? (int)left_ms : SINK_POLL_MS) > 0)
            return true; /* errors too: the write will name them */
    }
}

/* Returns how many bytes went out; fewer than n on an error or when time is up. */
static size_t sink_put(struct sink *sink, const char *bytes, size_t n)
{
    size_t done = 0;
    while (done < n) {
        /* Standard output may block: it is asked first, and given no more than fits a pipe that said yes. */
        if (sink->step == PIPE_BUF && !sink_wait_writable(sink))
            break;
        ssize_t written = write(sink->fd, bytes + done, n - done < sink->step ? n - done : sink->step);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0 || (errno != EINTR && errno != EAGAIN))
            break;
        else if (errno == EAGAIN && !sink_wait_writable(sink))
            break;
    }
    return done;
}

static uint64_t sink_count_lines(const char *bytes, size_t n)
{
    uint64_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += bytes[i] == '\n';
    return lines;
}

static void sink_write_batch(struct sink *sink)
{
    struct sink_bytes *batch = &sink->writing;
    if (batch->n == 0)
        return;
    if (sink->wire) {
        atomic_fetch_add(&sink->dropped, sink_wire_put(sink->wire, batch->p, batch->n, &sink->give_up_ms));
        return;
    }
    if (sink->torn && sink_put(sink, "\n", 1) == 1)
        sink->torn = false;
    size_t done = sink->torn ? 0 : sink_put(sink, batch->p, batch->n);
    if (done < batch->n) {
        sink->torn = done > 0 ? batch->p[done - 1] != '\n' : sink->torn;
        atomic_fetch_add(&sink->dropped, sink_count_lines(batch->p + done, batch->n - done));
    }
}

static void sink_apply_reopen(struct sink *sink)
{
    int fd = sink_open(sink->path);
    int code = fd < 0 ? err_from_errno(errno) : 0;
    if (code == 0) {
        close(sink->fd);
        sink->fd = fd;
        sink->torn = false;
    }
    atomic_store(&sink->reopened, code);
}

/* Waits for work and takes it. False when there is none and none will come. */
static bool sink_take_work(struct sink *sink)
{
    if (sink->writing.cap > SINK_KEEP_BYTES) {
        free(sink->writing.p);
        sink->writing = (struct sink_bytes){0};
    }
    sink->writing.n = 0;
    pthread_mutex_lock(&sink->lock);
    sink->in_flight = 0;
    while (sink->waiting.n == 0 && !sink->reopen && !sink->stop)
        pthread_cond_wait(&sink->work, &sink->lock);
    struct sink_bytes empty = sink->writing;
    sink->writing = sink->waiting;
    sink->waiting = empty;
    sink->in_flight = sink->writing.n;
    bool reopen = sink->reopen;
    sink->reopen = false;
    pthread_mutex_unlock(&sink->lock);
    if (reopen)
        sink_apply_reopen(sink);
    return reopen || sink->writing.n > 0;
}

static void sink_free(struct sink *sink)
{
    if (sink->path && sink->fd >= 0)
        close(sink->fd);
    if (sink->wire)
        sink_wire_destroy(&sink->wire);
    pthread_cond_destroy(&sink->end);
    pthread_cond_destroy(&sink->work);
    pthread_mutex_destroy(&sink->lock);
    free(sink->waiting.p);
    free(sink->writing.p);
    free(sink->path);
    free(sink);
}

static void *sink_thread(void *argument)
{
    struct sink *sink = argument;
    while (sink_take_work(sink))
        sink_write_batch(sink);
    pthread_mutex_lock(&sink->lock);
    sink->ended = true;
    bool left = sink->left;
    pthread_cond_signal(&sink->end);
    pthread_mutex_unlock(&sink->lock);
    if (left)
        sink_free(sink);
    return NULL;
}

static void sink_init_locks(struct sink *sink)
{
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_mutex_init(&sink->lock, NULL);
    pthread_cond_init(&sink->work, &steady);
    pthread_cond_init(&sink->end, &steady);
    pthread_condattr_destroy(&steady);
}

/* Signals are for other threads; a broken pipe is an error code here. */
static int sink_start_thread(struct sink *sink)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&sink->thread, NULL, sink_thread, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed == 0 ? 0 : err_from_errno(failed);
}

static int sink_open_first(struct sink *sink, const char *path)
{
    struct stat about;
    if (strcmp(path, "-") == 0) {
        sink->fd = STDOUT_FILENO;
        sink->step = fstat(sink->fd, &about) == 0 && S_ISREG(about.st_mode) ? SIZE_MAX : PIPE_BUF;
        return 0;
    }
    sink->step = SIZE_MAX;
    sink->path = strdup(path);
    if (!sink->path)
        return -ERR_NO_MEMORY;
    sink->fd = sink_open(path);
    return sink->fd >= 0 ? 0 : err_from_errno(errno);
}

int sink_create(const char *path, struct sink **ret_sink)
{
    return sink_create_to(&(struct sink_target){.kind = SINK_FILE, .path = path}, ret_sink);
}

bool sink_takes_entries(const struct sink *sink)
{
    return sink->wire != NULL;
}

int sink_create_to(const struct sink_target *target, struct sink **ret_sink)
{
    struct sink *sink = calloc(1, sizeof(*sink));
    if (!sink)
        return -ERR_NO_MEMORY;
    sink->fd = -1;
    atomic_init(&sink->give_up_ms, INT64_MAX);
    sink_init_locks(sink);
    int code = target->kind == SINK_FILE ? sink_open_first(sink, target->path) : sink_wire_create(target, &sink->wire);
    if (code == 0)
        code = sink_start_thread(sink);
    if (code != 0) {
        sink_free(sink);
        return code;
    }
    *ret_sink = sink;
    return 0;
}

static struct timespec sink_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

/* True when the thread has written everything and ended; `leave`: one that has not is to free the sink itself. */
static bool sink_stop_thread(struct sink *sink, bool leave)
{
    int64_t now_ms = sink_now_ms();
    struct timespec until = sink_timespec(now_ms + SINK_LEAVE_MS);
    atomic_store(&sink->give_up_ms, now_ms + SINK_GIVE_UP_MS);
    pthread_mutex_lock(&sink->lock);
    sink->stop = true;
    pthread_cond_signal(&sink->work);
    while (!sink->ended && pthread_cond_timedwait(&sink->end, &sink->lock, &until) == 0)
        continue;
    bool ended = sink->ended;
    sink->left = leave && !ended;
    pthread_mutex_unlock(&sink->lock);
    return ended;
}

void sink_finish(struct sink *sink)
{
    (void)sink_stop_thread(sink, false);
}

void sink_destroy(struct sink **sink)
{
    struct sink *own = *sink;
    pthread_t thread = own->thread;
    *sink = NULL;
    bool ended = sink_stop_thread(own, true);
    if (!ended) {
        pthread_detach(thread);
        return;
    }
    pthread_join(thread, NULL);
    sink_free(own);
}

/* Room for n more bytes; the cap doubles, so that a burst copies its bytes once more at most. */
static bool sink_grow(struct sink_bytes *bytes, size_t n)
{
    size_t cap = bytes->cap > 0 ? bytes->cap : 4096;
    while (cap < bytes->n + n)
        cap *= 2;
    if (cap == bytes->cap)
        return true;
    char *grown = realloc(bytes->p, cap);
    if (!grown)
        return false;
    bytes->p = grown;
    bytes->cap = cap;
    return true;
}

int sink_write(struct sink *sink, const char *bytes, size_t n, uint32_t lines)
{
    int code = -ERR_FULL;
    pthread_mutex_lock(&sink->lock);
    size_t held = sink->waiting.n + sink->in_flight;
    if (n <= SINK_WAITING_MAX && held <= SINK_WAITING_MAX - n && sink_grow(&sink->waiting, n)) {
        if (n > 0)
            memcpy(sink->waiting.p + sink->waiting.n, bytes, n);
        sink->waiting.n += n;
        pthread_cond_signal(&sink->work);
        code = 0;
    }
    pthread_mutex_unlock(&sink->lock);
    if (code != 0)
        atomic_fetch_add(&sink->dropped, lines);
    return code;
}

void sink_reopen(struct sink *sink)
{
    if (!sink->path)
        return;
    pthread_mutex_lock(&sink->lock);
    atomic_store(&sink->reopened, SINK_REOPENING);
    sink->reopen = true;
    pthread_cond_signal(&sink->work);
    pthread_mutex_unlock(&sink->lock);
}

int sink_reopen_result(const struct sink *sink)
{
    return atomic_load(&sink->reopened);
}

uint64_t sink_dropped(const struct sink *sink)
{
    return atomic_load(&sink->dropped);
}
