/* Network configurations as container runtimes write them: keys sorted by Go's encoder, its HTML
 * escapes, capitalised runtimeConfig keys of containerd, a previous result, keys that nobody here
 * knows. Composed for these tests, after what the runtimes were seen to send. */
#pragma once

static const char containerd_add[] =
	"{\"capabilities\":{\"bandwidth\":true,\"dns\":true,\"portMappings\":true},"
	"\"cniVersion\":\"1.0.0\",\"comment\":\"a \\u003cb\\u003e \\u0026 \\ud83d\\ude00\","
	"\"name\":\"weft\",\"runtimeConfig\":{\"bandwidth\":{\"EgressBurst\":4294967295,"
	"\"EgressRate\":1000000,\"IngressBurst\":4294967295,\"IngressRate\":1000000},"
	"\"dns\":{\"Options\":[\"ndots:5\"],\"Searches\":[\"default.svc.cluster.local\"],"
	"\"Servers\":[\"10.96.0.10\"]},\"portMappings\":[{\"ContainerPort\":80,\"HostIP\":\"\","
	"\"HostPort\":18081,\"Protocol\":\"tcp\"}]},\"type\":\"weft\"}";

static const char containerd_del[] =
	"{\"cniVersion\":\"0.4.0\",\"name\":\"weft\",\"prevResult\":{\"cniVersion\":\"0.4.0\","
	"\"dns\":{},\"interfaces\":[{\"mac\":\"02:00:00:00:00:01\",\"name\":\"wf0123456789ab\"},"
	"{\"mac\":\"02:00:00:00:00:02\",\"name\":\"eth0\","
	"\"sandbox\":\"/var/run/netns/cni-6c4e2d11-0d6c-4b8e-9a5f-7e1b2c3d4e5f\"}],"
	"\"ips\":[{\"address\":\"10.32.0.2/32\",\"gateway\":\"169.254.1.1\",\"interface\":1,"
	"\"version\":\"4\"}],\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"169.254.1.1\"}]},"
	"\"type\":\"weft\"}\n";

static const char podman_add[] =
	"{\n  \"args\": {\"cni\": {\"ips\": [\"10.32.0.9\"]}},\n  \"cniVersion\": \"1.1.0\",\n"
	"  \"disableCheck\": true,\n  \"ipam\": {},\n  \"name\": \"lab.net_1-x\",\n"
	"  \"runtimeConfig\": {\"aliases\": {\"lab\": [\"pod\"]}},\n  \"type\": \"weft\"\n}\n";
