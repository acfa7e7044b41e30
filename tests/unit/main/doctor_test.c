/* Each judgement, on machines that are told and not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "main/doctor.h"

static const struct doctor_facts healthy = {
    .descriptors = 100000,
    .descriptors_wanted = 30000,
    .backlog = 4096,
    .ports = 28232,
    .worker_connections = 10000,
    .processors = 4,
    .low_port = 1024,
    .privileged_port = 80,
    .may_bind = true,
    .clock_synchronised = true,
    .landlock = 3,
    .seccomp = true,
    .io_uring = true,
    .sandbox_on = true,
};

static char *print(const struct doctor_facts *facts, unsigned *ret_bad)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    assert_non_null(out);
    *ret_bad = doctor_print(facts, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void healthy_machine_has_no_complaints(void **state)
{
    unsigned bad;
    char *text = print(&healthy, &bad);

    assert_int_equal(bad, 0);
    assert_null(strstr(text, "warn"));
    assert_null(strstr(text, "bad "));
    free(text);
}

static void expect(const struct doctor_facts *facts, const char *line, unsigned expected_bad)
{
    unsigned bad;
    char *text = print(facts, &bad);

    if (!strstr(text, line))
        print_error("no \"%s\" in:\n%s", line, text);
    assert_non_null(strstr(text, line));
    assert_int_equal(bad, expected_bad);
    free(text);
}

#define EXPECT(line, bad, ...)                 \
    do {                                       \
        struct doctor_facts facts = healthy;   \
        struct doctor_facts *machine = &facts; \
        __VA_ARGS__;                           \
        expect(machine, line, bad);            \
    } while (0)

static void each_finding_has_its_remedy(void **state)
{
    EXPECT("warn descriptors  30000 may be needed, 1024 may be opened: raise the limit (LimitNOFILE=30000", 0,
           machine->descriptors = 1024);
    EXPECT("warn somaxconn    only 128 connections", 0, machine->backlog = 128);
    EXPECT("warn ports        only 999 local ports for up to 10000", 0, machine->ports = 999);
    EXPECT("ok   ports        999 local ports", 0, (machine->ports = 999, machine->worker_connections = 500));
    EXPECT("warn threads      8 are configured, but this process may use 4", 0, machine->threads = 8);
    EXPECT("bad  privileges   port 80 needs root, or CAP_NET_BIND_SERVICE", 1, machine->may_bind = false);
    EXPECT("ok   privileges   no port needs any", 0, (machine->may_bind = false, machine->privileged_port = 8080));
    EXPECT("ok   privileges   no port needs any", 0, (machine->may_bind = false, machine->low_port = 0));
    EXPECT("note clock        the kernel does not", 0, machine->clock_synchronised = false);
    EXPECT("warn sandbox      is switched off", 0, machine->sandbox_on = false);
    EXPECT("warn sandbox      the kernel has no Landlock,", 0, machine->landlock = 0);
    EXPECT("warn sandbox      the kernel has no seccomp,", 0, machine->seccomp = false);
    EXPECT("note io_uring     the kernel has none", 0, machine->io_uring = false);
    EXPECT("note kernel_tls   the kernel has none", 0, machine->kernel_tls = false);
    EXPECT("note kernel_tls   the kernel offers it (tls.kernel: auto); Ballast encrypts by itself", 0,
           machine->kernel_tls = true);
    EXPECT("warn kernel_tls   is wanted, but the kernel has none", 0,
           (machine->kernel_tls = false, machine->kernel_tls_wanted = true));
    EXPECT("ok   kernel_tls   encrypts what is sent to clients", 0,
           (machine->kernel_tls = true, machine->kernel_tls_wanted = true));
}

static void this_machine_can_be_looked_at(void **state)
{
    struct config_errors errors;
    struct config *config;
    struct config_flags flags = {.sealed = true};
    struct doctor_facts facts;

    config_errors_init(&errors);
    assert_int_equal(config_load(NULL, &flags, &errors, &config), 0);
    doctor_look(config, &facts);
    assert_true(facts.descriptors > 0 && facts.descriptors_wanted > 10000);
    assert_true(facts.backlog > 0 && facts.ports > 0 && facts.processors > 0);
    assert_int_equal(facts.privileged_port, 80);
    config_destroy(&config);
    config_errors_fini(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_machine_has_no_complaints),
        cmocka_unit_test(each_finding_has_its_remedy),
        cmocka_unit_test(this_machine_can_be_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
