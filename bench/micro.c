/* The pieces that every request passes, timed alone: nanoseconds for each operation, the median of a few rounds.
 *
 *   micro [NAME]...
 *
 * For a change in one of these files: run it before and after. What a request costs as a whole is the bench's to say.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "balance/pick.h"
#include "base/clock.h"
#include "base/timer.h"
#include "http/h1_parse.h"
#include "proxy/account.h"

enum { ROUNDS = 7, FIELDS = 64, TIMERS = 4096, WORKERS_FEW = 3, WORKERS_MANY = 10000 };

#define ROUND_NS INT64_C(20000000)

static const struct h1_limits limits = {.head_bytes = 32768, .fields = 100, .target_bytes = 8192};
static volatile uint64_t kept; /* results go here, so that they are wanted */

/* ---- parser ---- */

static const char small_head[] = "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
static const char browser_head[] =
    "GET /catalogue/garden/tools?sort=price&page=3 HTTP/1.1\r\nHost: shop.example\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9,de;q=0.8,fr;q=0.7\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Cache-Control: max-age=0\r\nSec-CH-UA: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\n"
    "Sec-CH-UA-Mobile: ?0\r\nSec-CH-UA-Platform: \"Linux\"\r\nSec-Fetch-Site: same-origin\r\n"
    "Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nUpgrade-Insecure-Requests: 1\r\n"
    "DNT: 1\r\nPriority: u=0, i\r\nReferer: http://shop.example/catalogue/garden/tools?sort=price&page=2\r\n"
    "If-None-Match: W/\"5f2b1c-1a7b3c9d2e4f\"\r\nIf-Modified-Since: Tue, 24 Nov 2026 08:12:31 GMT\r\n"
    "Cookie: session=7d9f2c1ba4e84d0c9b6d0f5e8a713c55; consent=necessary%2Cpreferences; theme=dark; currency=EUR; "
    "visitor=1c9a6b52-77f0-4d0f-8a4e-0b7e3c1d2f60; experiment=checkout-b; region=eu-central; last=1764080000\r\n\r\n";

static void parse(const char *text, size_t n, uint64_t times)
{
    struct field fields[FIELDS];

    for (uint64_t i = 0; i < times; i++) {
        struct h1_scan scan = {0};
        struct h1_head head;
        size_t bytes = 0;
        int found = h1_scan(&scan, text, n, &limits, &bytes);
        ASSERT(found == 1 && bytes == n);
        int error = h1_parse_request(str_slice(text, n), &limits, fields, FIELDS, &head);
        ASSERT(error == 0);
        kept += head.msg.count;
    }
}

static void parse_small(uint64_t times)
{
    parse(small_head, sizeof(small_head) - 1, times);
}

static void parse_browser(uint64_t times)
{
    parse(browser_head, sizeof(browser_head) - 1, times);
}

/* ---- picker ---- */

static struct worker workers[WORKERS_MANY];
static struct worker *worker_list[WORKERS_MANY];
static uint32_t worker_weights[WORKERS_MANY];
static _Alignas(64) _Atomic uint64_t turn;

static void make_pool(struct pool *pool, uint32_t count, uint32_t heaviest)
{
    memset(pool, 0, sizeof(*pool));
    for (uint32_t i = 0; i < count; i++) {
        workers[i] = (struct worker){.index = i, .weight = 1 + i % heaviest, .pool = pool};
        atomic_store(&workers[i].alive, true);
        worker_list[i] = &workers[i];
        worker_weights[i] = workers[i].weight;
    }
    int error = pool_init(pool, worker_list, worker_weights, count);
    ASSERT(error == 0);
    pool->turn = &turn;
    pool_publish(pool);
}

static void pick(uint32_t count, uint64_t times)
{
    struct pick_tried tried = {0};
    struct pool pool;

    make_pool(&pool, count, 1);
    for (uint64_t i = 0; i < times; i++)
        kept += pick_round_robin.pick(&pool, &tried)->index;
    pool_fini(&pool);
}

static void pick_few(uint64_t times)
{
    pick(WORKERS_FEW, times);
}

static void pick_many(uint64_t times)
{
    pick(WORKERS_MANY, times);
}

/* Health changes all the time, as fast as they can be published; the worst pick, in its thread's own processor time, is
 * told at the end: what a reactor is held up by, whoever else wants the processor. */
static _Atomic bool publishing;
static int64_t worst_pick_ns;

static void *publish_on(void *argument)
{
    struct pool *pool = argument;

    for (uint32_t i = 0; atomic_load(&publishing); i++) {
        atomic_store(&workers[i % WORKERS_MANY].alive, i & 1);
        pool_publish(pool);
    }
    return NULL;
}

static int64_t own_time_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void pick_published(uint64_t times)
{
    struct pick_tried tried = {0};
    struct pool pool;
    pthread_t thread;

    make_pool(&pool, WORKERS_MANY, 10);
    atomic_store(&publishing, true);
    int error = pthread_create(&thread, NULL, publish_on, &pool);
    ASSERT(error == 0);
    for (uint64_t i = 0; i < 1000 * times; i++) {
        int64_t before = own_time_ns();
        kept += pick_round_robin.pick(&pool, &tried)->index;
        int64_t spent = own_time_ns() - before;
        worst_pick_ns = spent > worst_pick_ns ? spent : worst_pick_ns;
    }
    atomic_store(&publishing, false);
    pthread_join(thread, NULL);
    pool_fini(&pool);
}

static void publish(uint32_t heaviest, uint64_t times)
{
    struct pool pool;

    make_pool(&pool, WORKERS_MANY, heaviest);
    for (uint64_t i = 0; i < times; i++) {
        atomic_store(&workers[i % WORKERS_MANY].alive, i & 1);
        pool_publish(&pool);
    }
    pool_fini(&pool);
}

static void publish_equal(uint64_t times)
{
    publish(1, times);
}

static void publish_weighted(uint64_t times)
{
    publish(10, times);
}

/* ---- timer ---- */

static struct timer timers[TIMERS];

static void on_timer(struct timer *timer)
{
    kept++;
}

static void time_moved(uint64_t times)
{
    struct timer_wheel wheel;

    timer_wheel_init(&wheel, 0);
    for (uint32_t i = 0; i < TIMERS; i++)
        timer_init(&timers[i], on_timer);
    for (uint64_t i = 0; i < times; i++)
        timer_set(&wheel, &timers[i % TIMERS], (int64_t)(30000 + i / 1000));
    for (uint32_t i = 0; i < TIMERS; i++)
        timer_fini(&wheel, &timers[i]);
}

static void time_fired(uint64_t times)
{
    struct timer_wheel wheel;

    timer_wheel_init(&wheel, 0);
    for (uint32_t i = 0; i < TIMERS; i++)
        timer_init(&timers[i], on_timer);
    for (uint64_t i = 0; i < times; i++) {
        timer_set(&wheel, &timers[i % TIMERS], (int64_t)(i + 2000));
        timer_wheel_run(&wheel, (int64_t)i);
    }
    for (uint32_t i = 0; i < TIMERS; i++)
        timer_fini(&wheel, &timers[i]);
}

/* ---- account ---- */

static void account(uint64_t times)
{
    struct account counters;
    struct worker worker = {.index = 0};
    struct account_record record = {
        .outcome = ACCOUNT_OK, .status = 200, .answered = &worker, .duration_us = 700, .answer_bytes = 20};

    int error = account_init(&counters, WORKERS_FEW);
    ASSERT(error == 0);
    for (uint64_t i = 0; i < times; i++) {
        account_note_begun(&counters);
        account_note_dispatch(&counters, &worker);
        account_note_ended(&counters, &worker, &record);
    }
    kept += counters.totals.ok;
    account_fini(&counters);
}

/* ---- */

static const struct {
    const char *name;
    void (*run)(uint64_t times);
    const char *what;
} pieces[] = {
    {"parse-small", parse_small, "scan and parse a request of one field"},
    {"parse-browser", parse_browser, "the same with twenty fields"},
    {"pick-3", pick_few, "the next of 3 workers"},
    {"pick-10000", pick_many, "the next of 10,000"},
    {"pick-published", pick_published, "a thousand of them, each timed, while weighted schedules are published"},
    {"publish-equal", publish_equal, "a schedule of 10,000 workers of one weight"},
    {"publish-weighted", publish_weighted, "the same with weights of 1 to 10"},
    {"timer-moved", time_moved, "a deadline moved later"},
    {"timer-fired", time_fired, "a timer set, and fired two seconds later"},
    {"account", account, "a request counted: begun, dispatched, ended"},
};

static int64_t timed(void (*run)(uint64_t times), uint64_t times)
{
    int64_t before = clock_steady_ns();

    run(times);
    return clock_steady_ns() - before;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* As often as fills a round; what a piece needs once to begin with then does not count. */
static double measure(void (*run)(uint64_t times))
{
    double each[ROUNDS];
    uint64_t times = 1;

    while (timed(run, times) < ROUND_NS)
        times *= 2;
    for (int i = 0; i < ROUNDS; i++)
        each[i] = (double)timed(run, times) / (double)times;
    qsort(each, ROUNDS, sizeof(each[0]), compare);
    return each[ROUNDS / 2];
}

static bool wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return count == 0;
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
        if (wanted(pieces[i].name, argc - 1, argv + 1)) {
            printf("%-18s %10.1f ns   %s\n", pieces[i].name, measure(pieces[i].run), pieces[i].what);
            (void)fflush(stdout);
        }
    if (worst_pick_ns)
        printf("%-18s %10.1f ns   the longest of those, in its thread's own time\n", "", (double)worst_pick_ns);
    return 0;
}
