/* The settings for machines: a JSON Schema with which editors check and complete a configuration file.
 */
#ifndef CONTROL_CONFIG_SCHEMA_H
#define CONTROL_CONFIG_SCHEMA_H

#include <stdio.h>

/* Draft 2020-12. */
void config_schema_print(FILE *out);

#endif
