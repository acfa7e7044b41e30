/* Who shall have the next client: by what the members say of themselves. */
#include "proxy/team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "tests/unit/alloc_fail.h"

enum { MEMBERS = 4, SLACK = 8 };

static struct team *team;
static char places[MEMBERS]; /* stand in for reactors, which nobody looks into */

static struct reactor *reactor_at(uint32_t member)
{
    return (struct reactor *)(void *)&places[member];
}

static int setup(void **state)
{
    assert_int_equal(team_create(MEMBERS, SLACK, &team), 0);
    for (uint32_t i = 0; i < MEMBERS; i++)
        team_join(team, i, reactor_at(i));
    return 0;
}

static int teardown(void **state)
{
    team_destroy(&team);
    assert_null(team);
    return 0;
}

static void note(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    team_note(team, 0, a);
    team_note(team, 1, b);
    team_note(team, 2, c);
    team_note(team, 3, d);
}

static void team_keeps_what_is_even(void **state)
{
    static const uint32_t loads[][MEMBERS] = {
        {0, 0, 0, 0}, {7, 0, 0, 0}, {10, 3, 3, 3}, {25, 25, 25, 25}, {20, 90, 90, 90}, {124, 100, 100, 100},
    };
    uint32_t other;
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        note(loads[i][0], loads[i][1], loads[i][2], loads[i][3]);
        assert_null(team_choose(team, 0, &other));
    }
}

/* To the one that has fewest, when that is clearly fewer: by the slack, or of many by a quarter. */
static void team_passes_on(void **state)
{
    static const struct {
        uint32_t loads[MEMBERS], to;
    } cases[] = {
        {{8, 3, 0, 3}, 2},
        {{30, 22, 25, 29}, 1},
        {{125, 103, 101, 99}, 3},
        {{1000, 800, 800, 100}, 3},
        {{50, TEAM_GONE, 40, TEAM_GONE}, 2},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t other = 99;
        const uint32_t *loads = cases[i].loads;
        note(loads[0], loads[1], loads[2], loads[3]);
        assert_ptr_equal(team_choose(team, 0, &other), reactor_at(cases[i].to));
        assert_int_equal(other, cases[i].to);
        team_arrived(team, other);
    }
}

/* Those on their way count where they go to, and there are not too many of them. */
static void team_counts_who_is_coming(void **state)
{
    uint32_t other, passed[MEMBERS] = {0};
    note(40, 0, 0, 0);
    while (team_choose(team, 0, &other))
        passed[other]++;
    for (uint32_t i = 1; i < MEMBERS; i++)
        assert_in_range(passed[i], 40 - SLACK, 40 - SLACK + 1);
    for (uint32_t i = 1; i < MEMBERS; i++)
        for (; passed[i] > 0; passed[i]--)
            team_arrived(team, i);
    note(1000, 1000, 0, 1000);
    for (int i = 0; i < TEAM_COMING_MAX; i++)
        assert_ptr_equal(team_choose(team, 0, &other), reactor_at(2));
    assert_null(team_choose(team, 0, &other));
    team_arrived(team, 2);
    assert_ptr_equal(team_choose(team, 0, &other), reactor_at(2));
}

static void team_waits_until_all_are_there(void **state)
{
    struct team *young;
    uint32_t other;
    assert_int_equal(team_create(2, 1, &young), 0);
    team_join(young, 0, reactor_at(0));
    team_note(young, 0, 10);
    assert_null(team_choose(young, 0, &other));
    team_join(young, 1, reactor_at(1));
    assert_ptr_equal(team_choose(young, 0, &other), reactor_at(1));
    team_destroy(&young);
}

/* However clients come, nobody has more than its share and the slack. */
static void team_bounds_the_shares(void **state)
{
    uint32_t loads[MEMBERS] = {0}, other, seed = 1, most = 0, all = 100;
    for (uint32_t i = 0; i < all; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t member = seed >> 24 < 200 ? 0 : (seed >> 20) % MEMBERS; /* four fifths come to the first */
        if (team_choose(team, member, &other)) {
            team_arrived(team, other);
            member = other;
        }
        team_note(team, member, ++loads[member]);
    }
    for (uint32_t i = 0; i < MEMBERS; i++)
        most = loads[i] > most ? loads[i] : most;
    assert_true(most * MEMBERS * 10 <= all * 13);
}

static void team_tells_of_shortages(void **state)
{
    assert_int_equal(team_shortages(team), 0);
    team_note_shortage(team);
    team_note_shortage(team);
    assert_int_equal(team_shortages(team), 2);
}

static void team_needs_memory(void **state)
{
    struct team *none = NULL;
    alloc_fail_at(1);
    int error = team_create(2, 1, &none);
    if (!alloc_fail_stop())
        team_destroy(&none); /* lines come from an allocator that is not made to fail */
    else
        assert_int_equal(error, -ERR_NO_MEMORY);
    assert_null(none);
}

#define TEAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEAM_TEST(team_keeps_what_is_even),   TEAM_TEST(team_passes_on),
        TEAM_TEST(team_counts_who_is_coming), TEAM_TEST(team_waits_until_all_are_there),
        TEAM_TEST(team_bounds_the_shares),    TEAM_TEST(team_tells_of_shortages),
        TEAM_TEST(team_needs_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
