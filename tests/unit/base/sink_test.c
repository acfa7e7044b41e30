/* Sinks: order, many writers, full disks, blocked readers, renamed files, and an end within its time. */
#include "base/sink.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#include "tests/unit/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char directory[64];
static char path[96];
static char moved[96];

static int sink_up(void **state)
{
    snprintf(directory, sizeof(directory), "/tmp/sink_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof(path), "%s/lines", directory);
    snprintf(moved, sizeof(moved), "%s/lines.1", directory);
    return 0;
}

static int sink_down(void **state)
{
    unlink(path);
    unlink(moved);
    return rmdir(directory);
}

/* The file's text; the caller frees. */
static char *file_text(const char *name)
{
    FILE *file = fopen(name, "r");
    size_t room = 8 << 20;
    char *text = malloc(room);
    assert_non_null(file);
    size_t n = fread(text, 1, room - 1, file);
    text[n] = '\0';
    fclose(file);
    return text;
}

static void assert_file(const char *name, const char *wanted)
{
    char *text = file_text(name);
    assert_string_equal(text, wanted);
    free(text);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sink_writes_in_order(void **state)
{
    struct sink *sink;
    struct stat about;
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(sink_write(sink, "", 0, 0), 0);
    assert_int_equal(sink_write(sink, "one\n", 4, 1), 0);
    assert_int_equal(sink_write(sink, "two\nthree\n", 10, 2), 0);
    sink_destroy(&sink);
    assert_null(sink);
    assert_file(path, "one\ntwo\nthree\n");
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 027, 0);
    /* Appends to what is there. */
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(sink_write(sink, "four\n", 5, 1), 0);
    sink_destroy(&sink);
    assert_file(path, "one\ntwo\nthree\nfour\n");
}

enum { WRITERS = 4, LINES = 5000 };

struct writer {
    struct sink *sink;
    int number;
    uint64_t refused;
};

static void *writer_run(void *argument)
{
    struct writer *writer = argument;
    char line[32];
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(line, sizeof(line), "%d %d\n", writer->number, i);
        if (sink_write(writer->sink, line, (size_t)n, 1) != 0)
            writer->refused++;
        if (i % 1000 == 0)
            sink_reopen(writer->sink);
    }
    return NULL;
}

static void sink_takes_from_many(void **state)
{
    struct sink *sink;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    int next[WRITERS] = {0};
    assert_int_equal(sink_create(path, &sink), 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){sink, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].refused, 0);
    }
    assert_int_equal(sink_dropped(sink), 0);
    sink_destroy(&sink);
    char *text = file_text(path);
    char *rest = text;
    for (int i = 0; i < WRITERS * LINES; i++) {
        int number;
        int line;
        int used;
        assert_int_equal(sscanf(rest, "%d %d%n", &number, &line, &used), 2);
        assert_in_range(number, 0, WRITERS - 1);
        assert_int_equal(line, next[number]++);
        assert_int_equal(rest[used], '\n');
        rest += used + 1;
    }
    assert_string_equal(rest, "");
    free(text);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void sink_reopens(void **state)
{
    struct sink *sink;
    int before = open_descriptors();
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(rename(path, moved), 0);
    sink_reopen(sink);
    assert_int_equal(sink_write(sink, "new\n", 4, 1), 0);
    sink_destroy(&sink);
    assert_int_equal(open_descriptors(), before);
    assert_file(path, "new\n");
    assert_file(moved, "");
}

static int reopen_result(const struct sink *sink)
{
    struct timespec pause = {.tv_nsec = 1000000};
    int result;
    while ((result = sink_reopen_result(sink)) == SINK_REOPENING)
        nanosleep(&pause, NULL);
    return result;
}

static void sink_says_how_reopening_went(void **state)
{
    struct sink *sink;
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(sink_reopen_result(sink), 0);
    sink_reopen(sink);
    assert_int_equal(reopen_result(sink), 0);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    sink_reopen(sink);
    assert_int_equal(reopen_result(sink), -ERR_SYSTEM);
    assert_int_equal(rmdir(path), 0);
    sink_reopen(sink);
    assert_int_equal(reopen_result(sink), 0);
    sink_destroy(&sink);
}

/* The path cannot be opened again: better lines in the old file than none. */
static void sink_reopen_failing_keeps_the_old_file(void **state)
{
    struct sink *sink;
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    sink_reopen(sink);
    assert_int_equal(sink_write(sink, "kept\n", 5, 1), 0);
    sink_destroy(&sink);
    assert_int_equal(rmdir(path), 0);
    assert_file(moved, "kept\n");
}

static void sink_says_why_it_cannot_open(void **state)
{
    struct sink *sink = NULL;
    char missing[128];
    snprintf(missing, sizeof(missing), "%s/no/such", directory);
    assert_int_equal(sink_create(missing, &sink), -ERR_SYSTEM);
    assert_int_equal(sink_create(directory, &sink), -ERR_SYSTEM);
    assert_null(sink);
}

static void sink_counts_what_a_full_disk_loses(void **state)
{
    struct sink *sink;
    assert_int_equal(sink_create("/dev/full", &sink), 0);
    assert_int_equal(sink_write(sink, "one\ntwo\n", 8, 2), 0);
    while (sink_dropped(sink) < 2)
        sched_yield();
    assert_int_equal(sink_write(sink, "three\n", 6, 1), 0);
    while (sink_dropped(sink) < 3)
        sched_yield();
    sink_destroy(&sink);
}

enum { BLOCK_BYTES = 64 << 10, BLOCK_LINES = BLOCK_BYTES / 16 };

/* Fills a sink that cannot write until it refuses; returns how many batches it took. Nothing may wait. */
static unsigned fill_until_refused(struct sink *sink, const char *batch)
{
    unsigned taken = 0;
    while (sink_write(sink, batch, BLOCK_BYTES, BLOCK_LINES) == 0)
        assert_in_range(++taken, 1, 100);
    return taken;
}

static char *make_batch(void)
{
    char *batch = malloc(BLOCK_BYTES);
    for (size_t i = 0; i < BLOCK_BYTES; i += 16)
        memcpy(batch + i, "fifteen letters\n", 16);
    return batch;
}

static void sink_blocked_refuses_and_ends(void **state)
{
    struct sink *sink;
    char *batch = make_batch();
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_true(fcntl(reader, F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(sink_create(path, &sink), 0);
    assert_int_equal(sink_write(sink, batch, BLOCK_BYTES, BLOCK_LINES), 0);
    /* The writer has taken the batch, and cannot finish it: it still counts. */
    struct pollfd taken = {.fd = reader, .events = POLLIN};
    assert_int_equal(poll(&taken, 1, 10000), 1);
    assert_int_equal(fill_until_refused(sink, batch), (4 << 20) / BLOCK_BYTES - 1);
    assert_int_equal(sink_dropped(sink), BLOCK_LINES);
    int64_t begin_ms = now_ms();
    sink_destroy(&sink);
    assert_in_range(now_ms() - begin_ms, 0, 2500);
    close(reader);
    free(batch);
}

/* The reader comes back: everything that was taken arrives, whole and once. */
static void sink_blocked_goes_on(void **state)
{
    struct sink *sink;
    char *batch = make_batch();
    char *bytes = malloc(BLOCK_BYTES);
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(sink_create(path, &sink), 0);
    fcntl(reader, F_SETFL, 0);
    size_t left = (size_t)fill_until_refused(sink, batch) * BLOCK_BYTES;
    while (left > 0) {
        ssize_t n = read(reader, bytes, left < BLOCK_BYTES ? left : BLOCK_BYTES);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++, left--)
            assert_int_equal(bytes[i], batch[(BLOCK_BYTES - left % BLOCK_BYTES) % 16]);
    }
    sink_destroy(&sink);
    close(reader);
    free(bytes);
    free(batch);
}

/* A reader that has gone costs lines, not the process. */
static void sink_survives_a_broken_pipe(void **state)
{
    struct sink *sink;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(sink_create(path, &sink), 0);
    close(reader);
    assert_int_equal(sink_write(sink, "lost\n", 5, 1), 0);
    while (sink_dropped(sink) < 1)
        sched_yield();
    sink_destroy(&sink);
}

/* Standard output becomes `fd` until it is given back. */
static int stdout_take(int fd)
{
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    dup2(fd, STDOUT_FILENO);
    return saved;
}

static void stdout_give(int saved)
{
    dup2(saved, STDOUT_FILENO);
    close(saved);
}

static void sink_dash_is_standard_output(void **state)
{
    struct sink *sink;
    int ends[2];
    char text[64] = "";
    assert_int_equal(pipe(ends), 0);
    int saved = stdout_take(ends[1]);
    int code = sink_create("-", &sink);
    int flags = fcntl(STDOUT_FILENO, F_GETFL);
    sink_reopen(sink);
    int written = sink_write(sink, "out\n", 4, 1);
    sink_destroy(&sink);
    int still_open = fcntl(STDOUT_FILENO, F_GETFL);
    stdout_give(saved);
    assert_int_equal(code, 0);
    assert_int_equal(written, 0);
    assert_int_equal(flags & O_NONBLOCK, 0);
    assert_int_equal(still_open, flags);
    assert_int_equal(read(ends[0], text, sizeof(text) - 1), 4);
    assert_string_equal(text, "out\n");
    close(ends[0]);
    close(ends[1]);
}

static void sink_blocked_standard_output_ends(void **state)
{
    struct sink *sink;
    int ends[2];
    char *batch = make_batch();
    assert_int_equal(pipe(ends), 0);
    int saved = stdout_take(ends[1]);
    int code = sink_create("-", &sink);
    int first = sink_write(sink, batch, BLOCK_BYTES, BLOCK_LINES);
    int second = sink_write(sink, batch, BLOCK_BYTES, BLOCK_LINES);
    int64_t begin_ms = now_ms();
    sink_destroy(&sink);
    int64_t took_ms = now_ms() - begin_ms;
    stdout_give(saved);
    assert_int_equal(code, 0);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_in_range(took_ms, 1800, 2500);
    /* The writer has ended by itself: nothing follows what the pipe held. */
    int held = fcntl(ends[0], F_GETPIPE_SZ);
    close(ends[1]);
    int left = 0;
    for (ssize_t n = 1; n > 0; left += (int)n)
        n = read(ends[0], batch, BLOCK_BYTES);
    assert_in_range(left, 1, held);
    close(ends[0]);
    free(batch);
}

static void sink_survives_no_memory(void **state)
{
    struct sink *sink;
    for (unsigned n = 1;; n++) {
        sink = NULL;
        alloc_fail_at(n);
        int code = sink_create(path, &sink);
        if (!alloc_fail_stop()) {
            assert_int_equal(code, 0);
            break;
        }
        assert_int_equal(code, -ERR_NO_MEMORY);
        assert_null(sink);
    }
    alloc_fail_at(1);
    int code = sink_write(sink, "lost\n", 5, 1);
    assert_true(alloc_fail_stop());
    assert_int_equal(code, -ERR_FULL);
    assert_int_equal(sink_dropped(sink), 1);
    assert_int_equal(sink_write(sink, "kept\n", 5, 1), 0);
    sink_destroy(&sink);
    assert_file(path, "kept\n");
}

#define SINK_TEST(name) cmocka_unit_test_setup_teardown(name, sink_up, sink_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SINK_TEST(sink_writes_in_order),
        SINK_TEST(sink_takes_from_many),
        SINK_TEST(sink_reopens),
        SINK_TEST(sink_reopen_failing_keeps_the_old_file),
        SINK_TEST(sink_says_how_reopening_went),
        SINK_TEST(sink_says_why_it_cannot_open),
        SINK_TEST(sink_counts_what_a_full_disk_loses),
        SINK_TEST(sink_blocked_refuses_and_ends),
        SINK_TEST(sink_blocked_goes_on),
        SINK_TEST(sink_survives_a_broken_pipe),
        SINK_TEST(sink_dash_is_standard_output),
        SINK_TEST(sink_blocked_standard_output_ends),
        SINK_TEST(sink_survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
