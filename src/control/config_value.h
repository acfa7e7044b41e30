/* One value: a text, judged by its setting's type and range, to the C value in its field.
 */
#ifndef CONTROL_CONFIG_VALUE_H
#define CONTROL_CONFIG_VALUE_H

#include "base/arena.h"
#include "control/config.h"
#include "control/directive.h"

enum { CONFIG_WHY_MAX = 400 };

struct config_value {
    struct arena *arena; /* for what the field points to */
    bool sealed;         /* no name look-ups */
    char why[CONFIG_WHY_MAX];
};

/* text into *field, whose C type follows from the setting's (a single value, so neither a block nor a list). 0;
 * -ERR_CONFIG with a sentence in value->why; -ERR_NO_MEMORY. *field is untouched on failure. */
MUST_CHECK int config_value_parse(struct config_value *value, const struct directive *directive, struct str text,
                                  void *field);
/* A number in the setting's unit as it would be written: min, max and defaults are such texts. 0 or -ERR_CONFIG, with
 * value->why untouched. */
MUST_CHECK int config_value_number(const struct directive *directive, struct str text, uint64_t *ret_number);

/* Fills value->why; returns -ERR_CONFIG. */
int config_value_refuse(struct config_value *value, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Fills value->why with `"text" is wrong; expected ...`. */
int config_value_unexpected(struct config_value *value, const struct directive *directive, struct str text,
                            const char *wrong);

#endif
