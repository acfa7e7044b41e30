/* What paths of logs mean, what is said of those that mean nothing, and what base/sink is told. */
#include "control/config_log.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_helper.h"

#define POOL "pools: { web: { workers: [3001] } }\n"

static void config_log_knows_its_words(void **state)
{
    static const struct {
        const char *text;
        enum sink_kind kind;
        bool stream, file;
        const char *address; /* path, or host:port */
    } cases[] = {
        {"off", SINK_FILE, false, false, ""},
        {"'-'", SINK_FILE, false, false, ""},
        {"/var/log/x", SINK_FILE, false, true, ""},
        {"./journal", SINK_FILE, false, true, ""},
        {"syslogs", SINK_FILE, false, true, ""},
        {"syslog", SINK_SYSLOG, false, false, "/dev/log"},
        {"syslog:unix:/run/s", SINK_SYSLOG, false, false, "/run/s"},
        {"syslog:udp://127.0.0.1:514", SINK_SYSLOG, false, false, "127.0.0.1:514"},
        {"syslog:tcp://127.0.0.2:601", SINK_SYSLOG, true, false, "127.0.0.2:601"},
        {"journal", SINK_JOURNAL, false, false, "/run/systemd/journal/socket"},
        {"journal:unix:/run/j", SINK_JOURNAL, false, false, "/run/j"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256], where[128];
        (void)snprintf(text, sizeof(text), POOL "access_log: { path: %s }\n", cases[i].text);
        struct config *config = helper_load(text);
        const struct config_log_to *to = &config->access_log.to;
        assert_int_equal(to->kind, cases[i].kind);
        assert_int_equal(to->stream, cases[i].stream);
        assert_int_equal(config_log_is_file(to), cases[i].file);
        where[0] = '\0';
        if (to->addr.storage.ss_family == AF_UNIX)
            (void)snprintf(where, sizeof(where), "%s", ((const struct sockaddr_un *)&to->addr.storage)->sun_path);
        else if (to->addr.len > 0) {
            const struct sockaddr_in *inet = (const struct sockaddr_in *)&to->addr.storage;
            (void)snprintf(where, sizeof(where), "%s:%d", inet_ntoa(inet->sin_addr), ntohs(inet->sin_port));
        }
        assert_string_equal(where, cases[i].address);
        config_destroy(&config);
    }
}

static void config_log_says_what_is_wrong(void **state)
{
    static const char expected[] = "expected syslog:unix:/path, syslog:udp://host:port or syslog:tcp://host:port";
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"access_log: { path: 'syslog:/dev/log' }", expected},
        {"access_log: { path: 'syslog:' }", expected},
        {"access_log: { path: 'syslog:udp://host' }", expected},
        {"access_log: { path: 'syslog:udp://unix:/x' }", expected},
        {"access_log: { path: 'syslog:udp://1.2.3.4:0' }", "no address"},
        {"access_log: { path: 'syslog:tcp://name:514' }", "names are not looked up here"},
        {"access_log: { path: 'journal:/x' }", "expected journal, or journal:unix:/path"},
        {"log: { path: 'journal:udp://1.2.3.4:5' }", "log.path: \"journal:udp://1.2.3.4:5\": expected journal"},
        {"log: { path: off }", "an events log that is nowhere is one with the level off"},
        {"syslog: { facility: mail }", "\"mail\" is not known here"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), POOL "%s\n", cases[i].text);
        const char *said = helper_errors(text);
        if (!strstr(said, cases[i].said))
            fail_msg("%s: %s", cases[i].text, said);
    }
}

static void config_log_tells_a_sink(void **state)
{
    struct config *config =
        helper_load(POOL "log: { path: syslog }\n"
                         "syslog: { facility: local3, app_name: edge, hostname: lb.example, enterprise: off }\n");
    char host[CONFIG_LOG_HOST_MAX];
    struct sink_target target;

    config_log_target(config, &config->log.to, "event", host, &target);
    assert_int_equal(target.kind, SINK_SYSLOG);
    assert_int_equal(target.head.facility, 19);
    assert_string_equal(target.head.host, "lb.example");
    assert_string_equal(target.head.app, "edge");
    assert_string_equal(target.head.kind, "event");
    assert_int_equal(target.head.process, getpid());
    assert_int_equal(target.head.enterprise, 0);
    config_destroy(&config);

    config = helper_load(POOL "access_log: here.log\n");
    config_log_target(config, &config->access_log.to, "access", host, &target);
    assert_string_equal(target.path, "here.log");
    assert_int_equal(target.head.facility, 16);
    assert_string_equal(target.head.app, "ballast");
    assert_int_equal(target.head.enterprise, 32473);
    assert_true(strlen(host) > 0);
    config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(config_log_knows_its_words),
        cmocka_unit_test(config_log_says_what_is_wrong),
        cmocka_unit_test(config_log_tells_a_sink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
