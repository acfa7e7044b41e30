/* Whom the server becomes, and that it cannot go back. Becoming another needs root; the rest does not. */
#include "main/priv.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "base/err.h"
#include "child.h"

static struct config config_of(const char *user, const char *group, enum config_sandbox sandbox)
{
    return (struct config){
        .user = str_of(user), .group = str_of(group), .sandbox = sandbox, .access_log.path = STR("off")};
}

/* Another user than the one who runs this. */
static const char *somebody(void)
{
    return geteuid() == 0 ? "nobody" : "root";
}

static void priv_finds_who_is_meant(void **state)
{
    const struct passwd *self = getpwuid(geteuid());
    char name[64];
    snprintf(name, sizeof(name), "%s", self->pw_name);
    struct {
        const char *user, *group;
        int error;
        const char *why;
    } cases[] = {
        {"", "", 0, ""},
        {name, "", self->pw_gid == getegid() ? 0 : -ERR_NO_PERMISSION, ""},
        {"no-such-user", "", -ERR_CONFIG, "no user no-such-user"},
        {name, "no-such-group", -ERR_CONFIG, "no group no-such-group"},
        {"", "root", -ERR_CONFIG, "needs a user"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct config config = config_of(cases[i].user, cases[i].group, CONFIG_SANDBOX_OFF);
        struct priv priv = {.uid = 12345};
        char why[PRIV_WHY_MAX] = "";
        assert_int_equal(priv_find(&config, &priv, why), cases[i].error);
        assert_non_null(strstr(why, cases[i].why));
        assert_int_equal(priv.uid, cases[i].error ? 12345 : geteuid());
        assert_false(priv.switches);
    }
}

static void priv_says_that_only_root_can(void **state)
{
    struct config config = config_of(somebody(), "", CONFIG_SANDBOX_OFF);
    struct priv priv = {0};
    char why[PRIV_WHY_MAX] = "";
    int error = priv_find(&config, &priv, why);
    if (geteuid() == 0) {
        assert_int_equal(error, 0);
        assert_true(priv.switches);
        assert_int_equal(priv.uid, getpwnam(somebody())->pw_uid);
        assert_int_equal(priv.gid, getpwnam(somebody())->pw_gid);
        return;
    }
    assert_int_equal(error, -ERR_NO_PERMISSION);
    assert_non_null(strstr(why, "only root can become user root"));
}

/* What it logs, in text. */
static char said[2048];

static void finish_and_listen(struct priv *priv, int expected)
{
    int ends[2];
    CHILD_CHECK(pipe2(ends, O_NONBLOCK) == 0);
    log_set_fd(ends[1]);
    priv_begin(priv);
    int error = priv_finish(priv);
    ssize_t n = read(ends[0], said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = 0;
    CHILD_CHECK(error == expected);
}

static void become_nobody(void)
{
    struct config config = config_of("nobody", "daemon", CONFIG_SANDBOX_OFF);
    struct priv priv;
    char why[PRIV_WHY_MAX];
    int end_signal = 0;
    gid_t group = getgrnam("daemon")->gr_gid;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    CHILD_CHECK(priv_find(&config, &priv, why) == 0);
    finish_and_listen(&priv, 0);
    CHILD_CHECK(geteuid() == getpwnam("nobody")->pw_uid && getuid() == geteuid());
    CHILD_CHECK(getegid() == group && getgid() == group && getgroups(0, NULL) == 0);
    CHILD_FAILS(setuid(0), EPERM);
    CHILD_FAILS(setgid(0), EPERM);
    CHILD_FAILS(open("/etc/shadow", O_RDONLY), EACCES);
    CHILD_CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    CHILD_CHECK(prctl(PR_GET_PDEATHSIG, &end_signal) == 0 && end_signal == SIGTERM);
    CHILD_CHECK(strstr(said, "server is confined uid=65534 "));
    CHILD_CHECK(strstr(said, "no_new_privileges=on landlock=\"off: switched off\""));
    CHILD_CHECK(!strstr(said, "warn"));
}

static void priv_becomes_another_for_good(void **state)
{
    if (geteuid() != 0)
        skip();
    assert_int_equal(child_exit(become_nobody), CHILD_GOOD);
}

/* A process that may not: it is said, and nothing half done goes on to serve. */
static void fail_to_become(void)
{
    struct config config = config_of("nobody", "", CONFIG_SANDBOX_OFF);
    struct priv priv = {.config = &config, .switches = true, .uid = 0, .gid = 0};
    CHILD_CHECK(geteuid() != 0 || (setgid(65534) == 0 && setuid(65534) == 0));
    finish_and_listen(&priv, -ERR_NO_PERMISSION);
    CHILD_CHECK(strstr(said, "error the server cannot become the configured user user=nobody reason="));
}

static void priv_says_that_it_could_not(void **state)
{
    assert_int_equal(child_exit(fail_to_become), CHILD_GOOD);
}

static void stay_who_it_is(void)
{
    struct config config = config_of("", "", CONFIG_SANDBOX_AUTO);
    struct priv priv;
    char why[PRIV_WHY_MAX];
    uid_t before = geteuid();
    CHILD_CHECK(priv_find(&config, &priv, why) == 0);
    finish_and_listen(&priv, 0);
    CHILD_CHECK(geteuid() == before);
    CHILD_CHECK((strstr(said, "warn the server runs as root") != NULL) == (before == 0));
    CHILD_CHECK(!priv.files == (priv.landlock > 0));
    CHILD_CHECK(!priv.files == (strstr(said, " landlock=on ") != NULL));
    CHILD_CHECK(!priv.calls == (strstr(said, " seccomp=on\n") != NULL));
}

static void priv_stays_who_it_is_unless_told(void **state)
{
    assert_int_equal(child_exit(stay_who_it_is), CHILD_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(priv_finds_who_is_meant),          cmocka_unit_test(priv_says_that_only_root_can),
        cmocka_unit_test(priv_becomes_another_for_good),    cmocka_unit_test(priv_says_that_it_could_not),
        cmocka_unit_test(priv_stays_who_it_is_unless_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
