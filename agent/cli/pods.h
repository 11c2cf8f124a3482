/* A pod as JSON: what `weftctl pods` lists, and what attach and detach answer. */
#pragma once

#include <cJSON.h>

#include "proto/local.pb-c.h"

cJSON *pods_json(const Weft__Local__Pod *pod);
