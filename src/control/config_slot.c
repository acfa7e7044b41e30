/* The head of a slot stands at its beginning, so that who did not load finds what was loaded. Used by the keeper, the
 * children that load for it, and its servers. */
#include "control/config_slot.h"

#include <stdio.h>

#include "control/config_print.h"

enum { SLOT_BYTES = 1 << 30 }; /* of address space; a configuration of 10,000 workers fills about 10 MiB */

struct slot_head {
    struct config *config;
    char text[CONFIG_SLOT_TEXT_MAX];
};

static struct slot_head *head_of(const struct config_slot *slot)
{
    return (struct slot_head *)(void *)slot->region.base;
}

int config_slot_create(struct config_slot *slot)
{
    return region_create(&slot->region, SLOT_BYTES);
}

void config_slot_destroy(struct config_slot *slot)
{
    region_destroy(&slot->region);
}

static void keep_text(struct slot_head *head, const struct config_errors *errors)
{
    FILE *out = fmemopen(head->text, sizeof(head->text), "w");

    if (!out)
        return;
    config_print_errors(out, errors);
    (void)fclose(out);
    head->text[sizeof(head->text) - 1] = '\0';
}

int config_slot_load(struct config_slot *slot, const char *path, const struct config_flags *flags)
{
    struct config_flags here = *flags;
    struct config_errors errors;

    region_reset(&slot->region);
    struct slot_head *head = region_take(&slot->region, sizeof(*head));
    head->config = NULL;
    head->text[0] = '\0';
    here.region = &slot->region;
    config_errors_init(&errors);
    int error = config_load(path, &here, &errors, &head->config);
    config_print_errors(stderr, &errors);
    keep_text(head, &errors);
    config_errors_fini(&errors);
    return error;
}

struct config *config_slot_config(const struct config_slot *slot)
{
    return head_of(slot)->config; /* memory is zero where nothing was written */
}

const char *config_slot_text(const struct config_slot *slot)
{
    return head_of(slot)->text;
}
