/* ballast-sim: runs scenarios by seed, and reports, shrinks and replays the ones that fail.
 *
 * Scenarios run in a child, batch by batch, because a failed check or a crash ends the process that met it. What the
 * parent must know lies in shared memory: which seed is running, which check failed, what was counted.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/check.h"
#include "tests/sim/plan.h"
#include "tests/sim/shrink.h"
#include "tests/sim/world.h"

enum { STUCK_SECONDS = 120, BATCH = 500 };

struct shared {
    uint64_t seed; /* running now */
    uint64_t done;
    uint64_t calm;
    struct world_result sum;
    char check[CHECK_NAME_MAX];
};

struct options {
    uint64_t seed, count;
    double minutes;
    bool trace, quiet, shrinks;
    struct plan_cuts cuts;
    uint64_t with; /* families: scenarios that have not all of them are passed over */
};

static struct shared *shared;

/* ---- one scenario, in this process ---- */

static void run_seed(uint64_t seed, const struct plan_cuts *cuts, uint64_t with, enum trace_mode trace)
{
    static struct plan plan;
    struct world_result result;
    plan_make(&plan, seed, cuts);
    if (with & ~plan.families)
        return;
    shared->seed = seed;
    alarm(STUCK_SECONDS); /* the default action ends the process */
    world_run(&plan, trace, &result);
    alarm(0);
    shared->done++;
    shared->calm += plan.calm;
    shared->sum.requests += result.requests;
    shared->sum.right += result.right;
    shared->sum.ours += result.ours;
    shared->sum.cut += result.cut;
    shared->sum.virtual_ms += result.virtual_ms;
}

/* ---- in a child ---- */

enum end { END_GOOD, END_CHECK, END_CRASH };

static enum end wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return END_GOOD;
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHECK_FAILED)
        return END_CHECK;
    snprintf(shared->check, sizeof(shared->check), "%s",
             WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? "livelock" : "crash");
    return END_CRASH;
}

static pid_t start_child(bool silent)
{
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* whoever ends the parent ends all of it */
        if (silent && freopen("/dev/null", "w", stderr) == NULL)
            _exit(2);
    }
    return child;
}

static enum end run_batch(uint64_t seed, uint64_t count, const struct plan_cuts *cuts, uint64_t with)
{
    pid_t child = start_child(true);
    if (child == 0) {
        for (uint64_t i = 0; i < count; i++)
            run_seed(seed + i, cuts, with, TRACE_OFF);
        _exit(0);
    }
    return wait_for(child);
}

static enum end run_traced(uint64_t seed, const struct plan_cuts *cuts, enum trace_mode trace)
{
    pid_t child = start_child(false);
    if (child == 0) {
        run_seed(seed, cuts, 0, trace);
        fflush(stdout);
        _exit(0);
    }
    return wait_for(child);
}

/* ---- a failure ---- */

struct failure {
    uint64_t seed;
    char check[CHECK_NAME_MAX];
};

static bool fails_the_same(const struct plan_cuts *cuts, void *context)
{
    const struct failure *failure = context;
    shared->check[0] = 0;
    return run_batch(failure->seed, 1, cuts, 0) != END_GOOD && strcmp(shared->check, failure->check) == 0;
}

static void print_scenario(uint64_t seed, const struct plan_cuts *cuts)
{
    static struct plan plan;
    plan_make(&plan, seed, cuts);
    plan_print(&plan);
}

static void report(const struct options *options)
{
    struct failure failure = {.seed = shared->seed};
    struct plan_cuts cuts = options->cuts;
    char text[1024];
    memcpy(failure.check, shared->check, sizeof(failure.check));
    printf("FAILED seed %llu: check %s\n", (unsigned long long)failure.seed, failure.check);
    if (options->quiet)
        return;
    run_traced(failure.seed, &cuts, TRACE_KEEP);
    if (options->shrinks) {
        unsigned runs = shrink(&cuts, failure.seed, fails_the_same, &failure);
        printf("\nthe same check still fails after shrinking (%u runs):\n", runs);
        print_scenario(failure.seed, &cuts);
        run_traced(failure.seed, &cuts, TRACE_KEEP);
    }
    plan_cuts_print(&cuts, text, sizeof(text));
    printf("\nreplay: ballast-sim --seed %llu --trace\n", (unsigned long long)failure.seed);
    if (*text != 0)
        printf("  and the small one: ballast-sim --seed %llu --trace --without %s\n", (unsigned long long)failure.seed,
               text);
}

/* ---- many ---- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_many(const struct options *options)
{
    double began = seconds();
    uint64_t seed = options->seed, left = options->count;
    enum end end = END_GOOD;
    while (end == END_GOOD && (options->minutes > 0 ? seconds() - began < options->minutes * 60 : left > 0)) {
        uint64_t batch = options->minutes > 0 || left > BATCH ? BATCH : left;
        end = run_batch(seed, batch, &options->cuts, options->with);
        seed += batch;
        left -= batch;
    }
    if (end != END_GOOD)
        report(options);
    double took = seconds() - began;
    printf(
        "%llu scenarios from seed %llu (%llu calm), %llu requests: %llu answered right, %llu with an error, %llu cut; "
        "%.0f s of their time in %.1f s\n",
        (unsigned long long)shared->done, (unsigned long long)options->seed, (unsigned long long)shared->calm,
        (unsigned long long)shared->sum.requests, (unsigned long long)shared->sum.right,
        (unsigned long long)shared->sum.ours, (unsigned long long)shared->sum.cut, (double)shared->sum.virtual_ms / 1e3,
        took);
    return end == END_GOOD ? 0 : 1;
}

/* ---- options ---- */

static void usage(void)
{
    printf(
        "usage: ballast-sim [--seed N] [--count M | --minutes K] [--trace] [--with LIST] [--without LIST] [--quiet]\n"
        "                   [--no-shrink]\n"
        "  --seed N       the first seed (default: from the clock)\n"
        "  --count M      how many, one after the other (default 1)\n"
        "  --minutes K    as many as fit\n"
        "  --trace        print the scenario and everything that happens\n"
        "  --with LIST    of those, only the ones that have all of these families\n"
        "  --without LIST leave out families, clients (c3) or the last requests of a client (c3r2), by commas\n"
        "families:\n");
    for (int f = 0; f < FAMILY_COUNT; f++)
        printf("  %-13s %s\n", plan_family_name((enum plan_family)f), plan_family_what((enum plan_family)f));
}

static uint64_t number(const char *text)
{
    uint64_t value;
    if (str_parse_u64(str_of(text), UINT64_MAX, &value) != 0) {
        fprintf(stderr, "ballast-sim: %s is no number\n", text);
        exit(2);
    }
    return value;
}

static struct plan_cuts parse_list(const char *option, const char *list)
{
    struct plan_cuts cuts = {0};
    if (!plan_cuts_parse(&cuts, list)) {
        fprintf(stderr, "ballast-sim: --%s does not understand %s\n", option, list);
        exit(2);
    }
    return cuts;
}

static void parse(int argc, char **argv, struct options *options)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},    {"count", required_argument, NULL, 'c'},
        {"minutes", required_argument, NULL, 'm'}, {"trace", no_argument, NULL, 't'},
        {"with", required_argument, NULL, 'f'},    {"without", required_argument, NULL, 'w'},
        {"quiet", no_argument, NULL, 'q'},         {"no-shrink", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "h", names, NULL)) != -1) {
        switch (option) {
        case 's': options->seed = number(optarg); break;
        case 'c': options->count = number(optarg); break;
        case 'm': options->minutes = (double)number(optarg); break;
        case 't': options->trace = true; break;
        case 'q': options->quiet = true; break;
        case 'n': options->shrinks = false; break;
        case 'f': options->with = parse_list("with", optarg).families; break;
        case 'w': options->cuts = parse_list("without", optarg); break;
        case 'h': usage(); exit(0);
        default: usage(); exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    struct options options = {.seed = (uint64_t)time(NULL) * 1000, .count = 1, .shrinks = true};
    parse(argc, argv, &options);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    check_set_name_place(shared->check);
    if (!options.trace)
        return run_many(&options);
    print_scenario(options.seed, &options.cuts);
    enum end end = run_traced(options.seed, &options.cuts, TRACE_PRINT);
    printf("%s\n", end == END_GOOD ? "every check holds" : shared->check);
    return end == END_GOOD ? 0 : 1;
}
