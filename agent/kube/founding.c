#include "kube/founding.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { REQUEST_MS = 15 * 1000 };

void founding_init(struct founding *founding, const char *namespace, const char *node,
		   const struct place *place, struct prng *prng, struct log *log)
{
	*founding = (struct founding){
		.namespace = namespace,
		.node = node,
		.place = place,
		.prng = prng,
		.log = log,
	};
}

static const char *what(const struct founding *founding)
{
	return founding->asking == FOUNDING_CREATING ? "create the ConfigMap " FOUNDING_NAME
						     : "read the ConfigMap " FOUNDING_NAME;
}

/* ---- what to ask */

/* RFC 9562, version 4: all bits random but six. */
static void make_uuid(uint8_t uuid[static 16])
{
	uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
	uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
}

static void request_create(const struct founding *founding, const struct founding_agent *agent,
			   const uint8_t fresh[static 16], struct arena *arena, struct request *ret)
{
	struct kube_founding new;

	memcpy(new.founder, agent->uid, sizeof(new.founder));
	memcpy(new.cluster, agent->has_cluster ? agent->cluster : fresh, sizeof(new.cluster));
	if (!agent->has_cluster)
		make_uuid(new.cluster);
	strcpy(new.node, founding->node);
	ret->method = "POST";
	ret->path = arena_printf(arena, "/api/v1/namespaces/%s/configmaps", founding->namespace);
	ret->body = kube_founding_encode(founding->namespace, FOUNDING_NAME, &new, arena);
	ret->type = "application/json";
}

static void request_read(const struct founding *founding, struct arena *arena, struct request *ret)
{
	ret->method = "GET";
	ret->path = arena_printf(arena, "/api/v1/namespaces/%s/configmaps/" FOUNDING_NAME,
				 founding->namespace);
}

/* One that was deleted comes back as soon as somebody is there who knows what it said. */
static bool must_create(const struct founding *founding, const struct founding_agent *agent)
{
	return founding->state == FOUNDING_ABSENT && agent->answers &&
	       (agent->has_cluster || agent->wants_founding);
}

bool founding_request(struct founding *founding, struct instant now,
		      const struct founding_agent *agent, const uint8_t fresh[static 16],
		      struct arena *arena, struct request *ret)
{
	if (founding->asking != FOUNDING_IDLE || !backoff_over(&founding->backoff, now))
		return false;
	*ret = (struct request){ .answer_max = KUBE_ANSWER_MAX, .limit_ms = REQUEST_MS };
	if (founding->state == FOUNDING_UNKNOWN || instant_reached(now, founding->again)) {
		founding->asking = FOUNDING_READING;
		request_read(founding, arena, ret);
	} else if (must_create(founding, agent)) {
		founding->asking = FOUNDING_CREATING;
		request_create(founding, agent, fresh, arena, ret);
	} else {
		return false;
	}
	assert(ret->path);
	return true;
}

/* ---- what it answers */

static void answered(struct founding *founding, struct instant now, enum founding_state state)
{
	founding->state = state;
	founding->trouble = (struct trouble){ 0 };
	if (!founding->fruitless)
		backoff_reset(&founding->backoff);
	founding->again =
		instant_add_ms(now, prng_jitter_ms(founding->prng, FOUNDING_AGAIN_MS, 10));
}

static bool same(const struct kube_founding *a, const struct kube_founding *b)
{
	return memcmp(a->cluster, b->cluster, sizeof(a->cluster)) == 0 &&
	       memcmp(a->founder, b->founder, sizeof(a->founder)) == 0 &&
	       strcmp(a->node, b->node) == 0;
}

static void read_came(struct founding *founding, struct instant now, struct bytes body)
{
	enum founding_state before = founding->state;
	struct kube_founding told;
	struct err err = { 0 };

	if (kube_founding_decode(body, &told, &err) < 0) {
		answered(founding, now, FOUNDING_UNREADABLE);
		founding->trouble.kind = TROUBLE_CONTENT;
		snprintf(founding->trouble.text, sizeof(founding->trouble.text),
			 "ConfigMap %s/" FOUNDING_NAME " at %.60s: %.80s -> delete it, a node that "
			 "is in the cluster makes it anew",
			 founding->namespace, founding->place->url, err.text);
		return;
	}
	answered(founding, now, FOUNDING_KNOWN);
	if (before == FOUNDING_KNOWN && same(&told, &founding->told))
		return;
	founding->told = told;
	log_line(founding->log, LOG_INFO,
		 "ConfigMap %s/" FOUNDING_NAME " says cluster %s, founded by node %s -> told to "
		 "the agent",
		 founding->namespace, text_uuid(TEXT_BUF(UUID), told.cluster), told.node);
}

static void failed(struct founding *founding, struct instant now, const struct reply *reply)
{
	reply_explain(reply, founding->place, what(founding), &founding->trouble);
	backoff_fail(&founding->backoff, founding->prng, now, reply->retry_after_ms);
}

static void read_ended(struct founding *founding, struct instant now, const struct reply *reply)
{
	if (reply->end == REPLY_ANSWERED && reply->code == 200) {
		founding->fruitless = false;
		read_came(founding, now, reply->body);
		return;
	}
	if (reply->end != REPLY_ANSWERED || reply->code != 404) {
		failed(founding, now, reply);
		return;
	}
	if (founding->state == FOUNDING_KNOWN)
		log_line(founding->log, LOG_WARN,
			 "ConfigMap %s/" FOUNDING_NAME
			 " was deleted -> made anew as soon as the agent is in the cluster",
			 founding->namespace);
	answered(founding, now, FOUNDING_ABSENT);
	/* Somebody takes it away at once: not made anew without a pause. */
	if (founding->fruitless)
		backoff_fail(&founding->backoff, founding->prng, now, 0);
}

/* A quota is a conflict, too. */
static bool is_there(const struct reply *reply)
{
	struct kube_status status;

	return reply->code == 201 ||
	       (reply->code == 409 && kube_status_decode(reply->body, &status, NULL) == 0 &&
		strcmp(status.reason, "AlreadyExists") == 0);
}

static void create_ended(struct founding *founding, struct instant now, const struct reply *reply)
{
	if (reply->end != REPLY_ANSWERED || !is_there(reply)) {
		failed(founding, now, reply);
		return;
	}
	log_line(founding->log, LOG_INFO,
		 reply->code == 201 ? "ConfigMap %s/" FOUNDING_NAME " created -> read back"
				    : "ConfigMap %s/" FOUNDING_NAME
				      " was created by another node first -> read",
		 founding->namespace);
	answered(founding, now, FOUNDING_UNKNOWN);
	founding->fruitless = true;
}

void founding_ended(struct founding *founding, struct instant now, const struct reply *reply)
{
	assert(founding->asking != FOUNDING_IDLE);
	if (founding->asking == FOUNDING_READING)
		read_ended(founding, now, reply);
	else
		create_ended(founding, now, reply);
	founding->asking = FOUNDING_IDLE;
}
