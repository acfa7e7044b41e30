/* The settings for people: the reference manual, docs/configuration.md.
 */
#ifndef CONTROL_CONFIG_REFERENCE_H
#define CONTROL_CONFIG_REFERENCE_H

#include <stdio.h>

/* Markdown. */
void config_reference_print(FILE *out);

#endif
