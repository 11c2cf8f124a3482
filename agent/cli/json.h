/* How things look to programs (-o json): keys are stable, snake_case, and always there. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <cJSON.h>

/* Exact; cJSON's own numbers are doubles. */
void json_u64(cJSON *object, const char *key, uint64_t value);

/* Strings that are NULL become "". */
void json_text(cJSON *object, const char *key, const char *text);
void json_texts(cJSON *object, const char *key, char *const *texts, size_t n);

/* Bytes as hexadecimal digits. */
void json_hex(cJSON *object, const char *key, const uint8_t *data, size_t len);

/* Print and free. */
void json_end(cJSON *json);
