#include "cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

void json_u64(cJSON *object, const char *key, uint64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, value);
	cJSON_AddRawToObject(object, key, digits);
}

void json_text(cJSON *object, const char *key, const char *text)
{
	cJSON_AddStringToObject(object, key, text ? text : "");
}

void json_texts(cJSON *object, const char *key, char *const *texts, size_t n)
{
	cJSON *array = cJSON_AddArrayToObject(object, key);

	for (size_t i = 0; i < n; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(texts[i]));
}

void json_hex(cJSON *object, const char *key, const uint8_t *data, size_t len)
{
	_cleanup_(freep) char *digits = xcalloc(len + 1, 2);

	for (size_t i = 0; i < len; i++)
		snprintf(digits + 2 * i, 3, "%02x", data[i]);
	cJSON_AddStringToObject(object, key, digits);
}

void json_end(cJSON *json)
{
	char *text = cJSON_Print(json);

	if (!text)
		abort();
	puts(text);
	free(text);
	cJSON_Delete(json);
}
