//! The language itself: blocks, variables, chains, constants.

use super::{FAILS, Scene, Want, check};

/// `if`, `with` and `range`.
const BLOCKS: &[(&str, Want)] = &[
    ("{{ if .Extra.role }}a{{ else if .Extra.n }}b{{ else }}c{{ end }}", Some("a")),
    ("{{ if .Extra.nope }}a{{ else if .Extra.n }}b{{ else }}c{{ end }}", Some("b")),
    ("{{ if .Extra.nope }}a{{ else if .Extra.no }}b{{ else }}c{{ end }}d", Some("cd")),
    ("{{ with .Extra.nope }}a{{ else with .Extra.role }}{{ . }}{{ else }}c{{ end }}", Some("admin")),
    ("{{ with $x := .Extra.role }}{{ $x }}{{ . }}{{ end }}", Some("adminadmin")),
    ("{{ with $x := .Extra.nope }}{{ $x }}{{ else }}{{ $x }}e{{ end }}", Some("<no value>e")),
    ("{{ if $x := .Extra.role }}{{ $x }}{{ end }}{{ $x }}", FAILS),
    ("{{ range $i, $e := .Extra.list }}{{ $i }}{{ $e }}{{ else }}none{{ end }}", Some("0a1b2c")),
    ("{{ range $e := .Extra.list }}{{ $e }}{{ end }}", Some("abc")),
    (r#"{{ range .Extra.list }}{{ . }}{{ if eq . "b" }}{{ continue }}{{ end }}-{{ end }}"#, Some("a-bc-")),
    ("{{ range $i, $e := .Extra.list }}{{ if eq $i 1 }}{{ break }}{{ end }}{{ $e }}{{ end }}", Some("a")),
    ("{{ range $k, $v := .Extra.map }}{{ $k }}={{ $v }},{{ end }}", Some("k=v,z=1,")),
    ("{{ range $v := .Extra.map }}{{ $v }},{{ end }}", Some("v,1,")),
    ("{{ range .Extra.map }}{{ . }},{{ end }}", Some("v,1,")),
    ("{{ range $i := 3 }}{{ $i }}{{ end }}", Some("012")),
    ("{{ range 0 }}x{{ else }}none{{ end }}", Some("none")),
    ("{{ range $i, $j := 3 }}{{ $i }}{{ end }}", FAILS),
    ("{{ range -2 }}x{{ else }}none{{ end }}", Some("none")),
    ("{{ range int64 2 }}{{ . }}{{ end }}", Some("01")),
    (r#"{{ range "abc" }}{{ . }}{{ end }}"#, FAILS),
    ("{{ range .Extra.n }}{{ . }}{{ end }}", FAILS),
    ("{{ range nil }}{{ . }}{{ end }}", FAILS),
    ("{{ range .Extra.nil }}{{ . }}{{ else }}e{{ end }}", Some("e")),
    ("{{ range .MatchContext.Header }}{{ . }};{{ end }}", Some("[sid=1; theme=dark];[c1];[GET];[m1 m2];")),
    (
        "{{ range $k, $v := .MatchContext.Header }}{{ $k }}={{ index $v 0 }};{{ end }}",
        Some("Cookie=sid=1; theme=dark;X-Client=c1;X-Forwarded-Method=GET;X-Multi=m1;"),
    ),
    ("{{ range $k, $v := .MatchContext.URL.Query }}{{ $k }}={{ $v }};{{ end }}", Some("a=[1];b=[2];")),
    ("{{ range .MatchContext.RegexpCaptureGroups }}[{{ . }}]{{ end }}", Some("[abc][d e]")),
    (r#"{{ range split "," "a,b" }}{{ . }}{{ end }}"#, Some("ab")),
    ("{{ range . }}{{ end }}", FAILS),
    ("{{ range true }}{{ end }}", FAILS),
];

/// Variables and how far they reach.
const VARIABLES: &[(&str, Want)] = &[
    ("{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", Some("2")),
    ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", Some("21")),
    ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", Some("2")),
    ("{{ $x := 1 }}{{ range $x = .Extra.list }}{{ end }}{{ $x }}", Some("c")),
    (r#"{{ $i := 0 }}{{ $e := "" }}{{ range $i, $e = .Extra.list }}{{ end }}{{ $i }}{{ $e }}"#, Some("2c")),
    ("{{ range $i, $e := .Extra.list }}{{ end }}{{ $i }}", FAILS),
    ("{{ $x = 1 }}", FAILS),
    ("{{ $x }}", FAILS),
    (
        "{{ $ }}{{ $.Subject }}",
        Some(
            r#"{alice map[big:1234567 csv:x,y,z dash-key:dashed deep:map[a:map[b:[map[c:found]]]] dot.key:dotted email:Al.Ice@Example.TEST empty: f:1.5 html:<b>&'"</b> huge:1e+21 list:[a b c] map:map[k:v z:1] n:3 nil:<nil> no:false nums:[3 1 2] role:admin sp:  pad   t:true uni:Zürich] map[] {[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}}alice"#,
        ),
    ),
    ("{{ range .Extra.list }}{{ $.Subject }}{{ end }}", Some("alicealicealice")),
    ("{{ with .Extra }}{{ $.Subject }}{{ .role }}{{ end }}", Some("aliceadmin")),
];

/// Templates within the template, and blocks that are not closed.
const TEMPLATES: &[(&str, Want)] = &[
    (
        r#"{{ define "a" }}[{{ . }}{{ $ }}]{{ end }}{{ template "a" .Subject }}{{ template "a" }}"#,
        Some("[alicealice][<no value><no value>]"),
    ),
    (r#"{{ template "a" .Subject }}{{ define "a" }}{{ . }}{{ end }}"#, Some("alice")),
    (r#"{{ define "a" }}{{ .Subject }}{{ $.Subject }}{{ end }}{{ template "a" . }}"#, Some("alicealice")),
    (r#"{{ define "a" }}{{ .x }}{{ end }}{{ template "a" .Extra }}"#, Some("<no value>")),
    (r#"{{ define "a" }}{{ $x }}{{ end }}{{ $x := 1 }}{{ template "a" }}"#, FAILS),
    (r#"{{ block "b" .Subject }}<{{ . }}>{{ end }}"#, Some("<alice>")),
    (r#"{{ template "nope" . }}"#, FAILS),
    (
        r#"{{ define "r" }}{{ if . }}{{ . }}{{ template "r" (sub . 1 | int) }}{{ end }}{{ end }}{{ template "r" 3 }}"#,
        Some("321"),
    ),
    (r#"{{ define "a" }}1{{ end }}{{ define "a" }}2{{ end }}{{ template "a" }}"#, FAILS),
    (r#"{{ define "a" }}{{ define "b" }}{{ end }}{{ end }}"#, FAILS),
    (r#"{{ if true }}{{ define "b" }}{{ end }}{{ end }}"#, FAILS),
    ("{{ break }}", FAILS),
    ("{{ continue }}", FAILS),
    ("{{ range .Extra.list }}{{ else }}{{ break }}{{ end }}", FAILS),
    ("{{ if true }}{{ break }}{{ end }}", FAILS),
    ("{{ end }}", FAILS),
    ("{{ else }}", FAILS),
    ("{{ if true }}", FAILS),
    ("{{ if true }}{{ else }}{{ else }}{{ end }}", FAILS),
    ("{{ range .Extra.list }}{{ else if true }}{{ end }}", FAILS),
    ("{{ with true }}{{ else if true }}{{ end }}", FAILS),
    ("{{ if }}x{{ end }}", FAILS),
    ("{{ if true }}x{{ end x }}", FAILS),
    ("{{ end x }}", FAILS),
];

/// Texts and characters, and what is no action.
const CONSTANTS: &[(&str, Want)] = &[
    ("{{ }}", FAILS),
    ("{{", FAILS),
    ("{{ .", FAILS),
    (r#"{{ ""#, FAILS),
    (r#"{{ "a }}"#, FAILS),
    ("{{ `a\nb` }}", Some("a\nb")),
    ("{{ `raw }}` }}", Some("raw }}")),
    ("{{ 'a }}", FAILS),
    ("{{ 'ab' }}", FAILS),
    ("{{ '' }}", FAILS),
    (r"{{ '\n' }}", Some("10")),
    (r"{{ '\'' }}", Some("39")),
    ("{{ 'é' }}", Some("233")),
    (r"{{ '\x41' }}", Some("65")),
    (r"{{ '\u00e9' }}", Some("233")),
    (r#"{{ '\"' }}"#, FAILS),
    (r#"{{ "\'" }}"#, FAILS),
    (r#"{{ "\"" }}"#, Some(r#"""#)),
    (r#"{{ "\x41\101\u00e9\U0001F600\a\b\f\v\\" }}"#, Some("AAé😀\x07\x08\x0c\x0b\\")),
    (r#"{{ "\q" }}"#, FAILS),
    (r#"{{ "\x4" }}"#, FAILS),
    (r#"{{ "\400" }}"#, FAILS),
    (r#"{{ "\ud800" }}"#, FAILS),
    (r#"{{ "a" "b" }}"#, FAILS),
    (r#"{{ print "a""b" }}"#, FAILS),
    (r#"{{ print ("a")("b") }}"#, FAILS),
    (r#"{{ print("a") }}"#, FAILS),
    (r#"{{ print ("a") }}"#, Some("a")),
    (r#"{{("a")}}"#, Some("a")),
    ("{{(1)}}", Some("1")),
    (r#"{{ ((("a"))) }}"#, Some("a")),
    (r#"{{ (print "a" }}"#, FAILS),
    (r#"{{ print "a") }}"#, FAILS),
    ("{{ ( ) }}", FAILS),
    ("{{ print () }}", FAILS),
];

/// Fields, keys and methods behind each other.
const CHAINS: &[(&str, Want)] = &[
    ("{{ .Subject.x }}", FAILS),
    ("{{ .Subject .x }}", FAILS),
    ("{{ .Extra . }}", FAILS),
    ("{{ . .Extra }}", FAILS),
    ("{{ .Extra.role.x }}", FAILS),
    ("{{ .Extra.list.x }}", FAILS),
    ("{{ .Extra.n.x }}", FAILS),
    ("{{ .Extra.t.x }}", FAILS),
    ("{{ .Extra.nil.x }}", FAILS),
    ("{{ .Extra.map.k.x }}", FAILS),
    ("{{ .Extra.map.nope }}", Some("<no value>")),
    ("{{ .Extra.map.nope.x }}", FAILS),
    ("{{ (.Extra.nope).x }}", Some("<no value>")),
    ("{{ (.Extra.nil).x.y }}", Some("<no value>")),
    ("{{ $x := .Extra.nope }}{{ $x.y }}", Some("<no value>")),
    ("{{ $x := .Extra.nil }}{{ $x.y.z }}", Some("<no value>")),
    ("{{ with $x := .Extra.map }}{{ $x.nope.y }}{{ end }}", FAILS),
    (r#"{{ index .Extra.map "nope" }}"#, Some("<no value>")),
    (r#"{{ (index .Extra.map "nope").x }}"#, Some("<no value>")),
    (r#"{{ index .Extra "map" "k" }}"#, Some("v")),
    (r#"{{ index .Extra "nope" "k" }}"#, FAILS),
    ("{{ index .Extra.list 1 0 }}", Some("98")),
    ("{{ index .Extra.list }}", Some("[a b c]")),
    (r#"{{ index .Extra.list "a" }}"#, FAILS),
    ("{{ index .Extra.list 1.0 }}", FAILS),
    ("{{ index .Extra.list .Extra.n }}", FAILS),
    ("{{ index .Extra.list -1 }}", FAILS),
    ("{{ index .Extra.list 3 }}", FAILS),
    ("{{ index .Extra.map 1 }}", FAILS),
    ("{{ index .Extra.role 1 }}", Some("100")),
    ("{{ index .Extra.n 1 }}", FAILS),
    ("{{ index nil 1 }}", FAILS),
    ("{{ index .Extra.nope 1 }}", FAILS),
    ("{{ index (list 1 2) 1 }}", Some("2")),
    (r#"{{ index .MatchContext.Header "X-Client" 0 }}"#, Some("c1")),
    (r#"{{ index .MatchContext.Header "x-client" }}"#, Some("[]")),
    (r#"{{ index .MatchContext.Header "X-None" }}"#, Some("[]")),
    (r#"{{ index (index .MatchContext.Header "X-None") 0 }}"#, FAILS),
    (r#"{{ index .Header "X" }}"#, Some("[]")),
    (r#"{{ .Header.Get "x" }}"#, Some("")),
    (r#"{{ .Header.Values "x" }}"#, Some("[]")),
    ("{{ .Header.Nope }}", Some("[]")),
    (r#"{{ .Header.Set "a" "b" }}"#, FAILS),
    (r#"{{ .SetHeader "a" "b" }}"#, FAILS),
    ("{{ .Copy.Subject }}", Some("alice")),
    (
        "{{ .Copy }}",
        Some(
            r#"{alice map[big:1234567 csv:x,y,z dash-key:dashed deep:map[a:map[b:[map[c:found]]]] dot.key:dotted email:Al.Ice@Example.TEST empty: f:1.5 html:<b>&'"</b> huge:1e+21 list:[a b c] map:map[k:v z:1] n:3 nil:<nil> no:false nums:[3 1 2] role:admin sp:  pad   t:true uni:Zürich] map[] {[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}}"#,
        ),
    ),
    ("{{ (.Copy).MatchContext.Method }}", Some("GET")),
    ("{{ .Copy.Copy.Extra.role }}", Some("admin")),
    ("{{ .MatchContext.Header.Get }}", FAILS),
    (r#"{{ .MatchContext.Header.Get "a" "b" }}"#, FAILS),
    ("{{ .MatchContext.Header.Get 1 }}", FAILS),
    ("{{ .MatchContext.Header.Get .Extra.role }}", Some("")),
    (r#"{{ .MatchContext.Header.Get "X-CLIENT" }}"#, Some("c1")),
    (r#"{{ "x-client" | .MatchContext.Header.Get }}"#, Some("c1")),
    (r#"{{ .MatchContext.Header.Clone.Get "x-client" }}"#, Some("c1")),
    ("{{ .MatchContext.Header.Cookie }}", Some("[sid=1; theme=dark]")),
    ("{{ .MatchContext.Header.Nope }}", Some("[]")),
    (r#"{{ .MatchContext.Header.Get "host" }}"#, Some("")),
    ("{{ len .MatchContext.Header }}", Some("4")),
    (
        "{{ .MatchContext.Header | toJson }}",
        Some(
            r#"{"Cookie":["sid=1; theme=dark"],"X-Client":["c1"],"X-Forwarded-Method":["GET"],"X-Multi":["m1","m2"]}"#,
        ),
    ),
];

/// The request's URL.
const URL: &[(&str, Want)] = &[
    (
        "{{ .MatchContext.URL.Scheme }}|{{ .MatchContext.URL.Host }}|{{ .MatchContext.URL.Path }}|{{ .MatchContext.URL.RawPath }}|{{ .MatchContext.URL.RawQuery }}|{{ .MatchContext.URL.Fragment }}|{{ .MatchContext.URL.User }}|{{ .MatchContext.URL.Opaque }}|{{ .MatchContext.URL.ForceQuery }}|{{ .MatchContext.URL.OmitHost }}",
        Some("http|app.test|/abc/d e||a=1&b=2||||false|false"),
    ),
    (
        "{{ .MatchContext.URL.Hostname }}|{{ .MatchContext.URL.Port }}|{{ .MatchContext.URL.String }}|{{ .MatchContext.URL.EscapedPath }}|{{ .MatchContext.URL.RequestURI }}|{{ .MatchContext.URL.Redacted }}|{{ .MatchContext.URL.IsAbs }}|{{ .MatchContext.URL.EscapedFragment }}",
        Some(
            "app.test||http://app.test/abc/d%20e?a=1&b=2|/abc/d%20e|/abc/d%20e?a=1&b=2|http://app.test/abc/d%20e?a=1&b=2|true|",
        ),
    ),
    (
        r#"{{ .MatchContext.URL.Query }}|{{ .MatchContext.URL.Query.Get "a" }}|{{ .MatchContext.URL.Query.a }}|{{ .MatchContext.URL.Query.Has "z" }}|{{ .MatchContext.URL.Query.Encode }}|{{ index .MatchContext.URL.Query "b" }}"#,
        Some("map[a:[1] b:[2]]|1|[1]|false|a=1&b=2|[2]"),
    ),
    (r#"{{ .MatchContext.URL.JoinPath "x" "../y" }}"#, Some("http://app.test/abc/d%20e/y?a=1&b=2")),
    (r#"{{ .MatchContext.URL.JoinPath "x/" }}"#, Some("http://app.test/abc/d%20e/x/?a=1&b=2")),
    ("{{ .MatchContext.URL.JoinPath }}", Some("http://app.test/abc/d%20e?a=1&b=2")),
    (r#"{{ .MatchContext.URL.Parse "/other?x=1" }}"#, Some("http://app.test/other?x=1")),
    (r#"{{ .MatchContext.URL.Parse "rel" }}"#, Some("http://app.test/abc/rel")),
    (r#"{{ .MatchContext.URL.Parse "//h2/x" }}"#, Some("http://h2/x")),
    (r#"{{ (.MatchContext.URL.Parse "https://u:p@h2:8/x#f").Redacted }}"#, Some("https://u:xxxxx@h2:8/x#f")),
    (
        r#"{{ (.MatchContext.URL.Parse "https://u:p@h2:8/x#f").User }}|{{ (.MatchContext.URL.Parse "https://u:p@h2:8/x#f").User.Username }}|{{ (.MatchContext.URL.Parse "https://u:p@h2:8/x#f").Port }}"#,
        Some("u:p|u|8"),
    ),
    (r#"{{ (.MatchContext.URL.Parse "https://u:p@h2:8/x#f").User.Password }}"#, FAILS),
    (
        r#"{{ .MatchContext.URL.ResolveReference (.MatchContext.URL.Parse "../z") }}"#,
        Some("http://app.test/z"),
    ),
    ("{{ .MatchContext.URL.User.Username }}", Some("")),
    ("{{ .MatchContext.URL.Nope }}", FAILS),
    ("{{ .MatchContext.Nope }}", FAILS),
    ("{{ .MatchContext.URL.Path.x }}", FAILS),
    (r#"{{ .MatchContext.Method "x" }}"#, FAILS),
];

/// Parts of the session as a whole.
const WHOLE: &[(&str, Want)] = &[
    ("{{ .MatchContext.URL | print }}", Some("http://app.test/abc/d%20e?a=1&b=2")),
    (
        "{{ .MatchContext }}",
        Some(
            "{[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}",
        ),
    ),
    (
        "{{ print .MatchContext }}",
        Some(
            "{[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}",
        ),
    ),
    (
        "{{ print . }}",
        Some(
            r#"&{alice map[big:1234567 csv:x,y,z dash-key:dashed deep:map[a:map[b:[map[c:found]]]] dot.key:dotted email:Al.Ice@Example.TEST empty: f:1.5 html:<b>&'"</b> huge:1e+21 list:[a b c] map:map[k:v z:1] n:3 nil:<nil> no:false nums:[3 1 2] role:admin sp:  pad   t:true uni:Zürich] map[] {[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}}"#,
        ),
    ),
    (
        "{{ . }}",
        Some(
            r#"{alice map[big:1234567 csv:x,y,z dash-key:dashed deep:map[a:map[b:[map[c:found]]]] dot.key:dotted email:Al.Ice@Example.TEST empty: f:1.5 html:<b>&'"</b> huge:1e+21 list:[a b c] map:map[k:v z:1] n:3 nil:<nil> no:false nums:[3 1 2] role:admin sp:  pad   t:true uni:Zürich] map[] {[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}}"#,
        ),
    ),
    (
        "{{ toJson . }}",
        Some(
            r#"{"subject":"alice","extra":{"big":1234567,"csv":"x,y,z","dash-key":"dashed","deep":{"a":{"b":[{"c":"found"}]}},"dot.key":"dotted","email":"Al.Ice@Example.TEST","empty":"","f":1.5,"html":"\u003cb\u003e\u0026'\"\u003c/b\u003e","huge":1e+21,"list":["a","b","c"],"map":{"k":"v","z":1},"n":3,"nil":null,"no":false,"nums":[3,1,2],"role":"admin","sp":"  pad  ","t":true,"uni":"Zürich"},"header":null,"match_context":{"regexp_capture_groups":["abc","d e"],"url":{"Scheme":"http","Opaque":"","User":null,"Host":"app.test","Path":"/abc/d e","Fragment":"","RawQuery":"a=1\u0026b=2","RawPath":"","RawFragment":"","ForceQuery":false,"OmitHost":false},"method":"GET","header":{"Cookie":["sid=1; theme=dark"],"X-Client":["c1"],"X-Forwarded-Method":["GET"],"X-Multi":["m1","m2"]}}}"#,
        ),
    ),
    (
        r#"{{ printf "%v" . }}"#,
        Some(
            r#"&{alice map[big:1234567 csv:x,y,z dash-key:dashed deep:map[a:map[b:[map[c:found]]]] dot.key:dotted email:Al.Ice@Example.TEST empty: f:1.5 html:<b>&'"</b> huge:1e+21 list:[a b c] map:map[k:v z:1] n:3 nil:<nil> no:false nums:[3 1 2] role:admin sp:  pad   t:true uni:Zürich] map[] {[abc d e] http://app.test/abc/d%20e?a=1&b=2 GET map[Cookie:[sid=1; theme=dark] X-Client:[c1] X-Forwarded-Method:[GET] X-Multi:[m1 m2]]}}"#,
        ),
    ),
    (r#"{{ printf "%s" .MatchContext.URL }}"#, Some("http://app.test/abc/d%20e?a=1&b=2")),
    ("{{ print }}", FAILS),
    ("{{ print 1 2 }}", FAILS),
    ("{{ print nil }}", Some("")),
    ("{{ printIndex .Extra.list 1 }}", Some("b")),
    ("{{ printIndex .Extra.list (sub 1 1) }}", FAILS),
    ("{{ printIndex .Extra.list (sub 1 1 | int) }}", Some("a")),
    (r#"{{ printIndex .Extra.list "1" }}"#, FAILS),
    ("{{ printIndex .Extra.list .Extra.n }}", FAILS),
    ("{{ printIndex nil 0 }}", Some("")),
    ("{{ printIndex .Extra.map 0 }}", Some("")),
    ("{{ printIndex (list nil) 0 }}", Some("<nil>")),
    ("{{ printIndex .MatchContext.RegexpCaptureGroups 7 }}", Some("")),
    ("{{ index .MatchContext.RegexpCaptureGroups 7 }}", FAILS),
];

/// Number constants.
const NUMBERS: &[(&str, Want)] = &[
    ("{{ 1 }}", Some("1")),
    ("{{ 1.0 }}", Some("1")),
    ("{{ 1e3 }}", Some("1000")),
    ("{{ 1_000 }}", Some("1000")),
    ("{{ 0x1F }}{{ 0b11 }}{{ 0o17 }}{{ 017 }}", Some("3131515")),
    ("{{ 08 }}", FAILS),
    ("{{ 1.2.3 }}", FAILS),
    ("{{ -1 }}{{ +1 }}", Some("-11")),
    ("{{ - 1 }}", FAILS),
    ("{{ 0x1p4 }}", Some("16")),
    ("{{ 9223372036854775807 }}", Some("9223372036854775807")),
    ("{{ 9223372036854775808 }}", FAILS),
    ("{{ 18446744073709551615 }}", FAILS),
    ("{{ .5 }}", Some("0.5")),
    ("{{ 5. }}", Some("5")),
    ("{{ 1a }}", FAILS),
    ("{{ true }}{{ false }}", Some("truefalse")),
    ("{{ nil }}", FAILS),
    ("{{ nil | print }}", FAILS),
    ("{{ print (nil) }}", FAILS),
    ("{{ true 1 }}", FAILS),
    ("{{ 1 | 2 }}", FAILS),
    ("{{ 1 | print | print }}", Some("1")),
];

/// Pipes, `and` and `or`.
const PIPES: &[(&str, Want)] = &[
    (r#"{{ .Subject | "x" }}"#, FAILS),
    ("{{ .Subject | }}", Some("alice")),
    ("{{ | print }}", FAILS),
    ("{{ print | }}", FAILS),
    ("{{ print 1 | print 2 }}", FAILS),
    (r#"{{ .Subject | printf "%s-%s" "a" }}"#, Some("a-alice")),
    ("{{ and }}", FAILS),
    ("{{ or }}", FAILS),
    (r#"{{ and 1 0 }}{{ or 0 "x" }}{{ and }}"#, FAILS),
    ("{{ and 0 (index .Extra.list 99) }}", Some("0")),
    ("{{ or 1 (index .Extra.list 99) }}", Some("1")),
    ("{{ 0 | and 1 }}{{ 5 | or 0 }}", Some("05")),
];

/// Trim marks and comments.
const TRIMMING: &[(&str, Want)] = &[
    (r#"a {{- "b" -}} c"#, Some("abc")),
    (r#"a {{-"b"-}} c"#, FAILS),
    (r#"a {{ - "b" }}"#, FAILS),
    ("a {{- /* c */ -}} b", Some("ab")),
    ("a {{- /* c */}} b", Some("a b")),
    ("a {{/* c */ -}} b", Some("a b")),
    ("a {{ /* c */ }} b", FAILS),
    ("a {{/* c */ }} b", FAILS),
    ("a {{/* c }} b", FAILS),
    ("{{/* a */}}{{/* b */}}", Some("")),
    ("{{- 1 -}}", Some("1")),
    ("{{1}}{{2}}", Some("12")),
    ("{{1 -}}   {{- 2}}", Some("12")),
    (r#"a{{"\n"}}b"#, Some("a\nb")),
    ("{{.Subject}}{{.Extra.role}}", Some("aliceadmin")),
    ("{{ .Subject}}", Some("alice")),
];

/// What looks odd, and mostly is.
const ODD: &[(&str, Want)] = &[
    ("{{.Extra.dash-key}}", FAILS),
    (r#"{{ .Extra."x" }}"#, FAILS),
    ("{{ .Extra.1 }}", FAILS),
    ("{{ .1 }}", Some("0.1")),
    ("{{ .Extra..role }}", FAILS),
    ("{{ ..Extra }}", FAILS),
    ("{{ .Extra.role. }}", FAILS),
    ("{{ $.Extra.role }}", Some("admin")),
    ("{{ $x.y }}", FAILS),
    ("{{ $ .Subject }}", FAILS),
    ("{{ $1 := 2 }}{{ $1 }}", Some("2")),
    ("{{ $é := 2 }}{{ $é }}", Some("2")),
    ("{{ $x, $y := 1 }}", FAILS),
    ("{{ range $x, $y, $z := .Extra.list }}{{ end }}", FAILS),
    ("{{ range $x $y := .Extra.list }}{{ end }}", FAILS),
    ("{{ range $x, := .Extra.list }}{{ end }}", FAILS),
    ("{{ range $i, $e }}{{ end }}", FAILS),
    ("{{ if $x, $y := 1 }}{{ end }}", FAILS),
    ("{{ $x := }}", FAILS),
    ("{{ $x := 1 | add 2 }}{{ $x }}", Some("3")),
    ("{{ $x := ($y := 3) }}{{ $x }}{{ $y }}", Some("33")),
    ("{{ with ($y := 3) }}{{ . }}{{ $y }}{{ end }}", Some("33")),
    ("{{ x := 1 }}", FAILS),
    ("{{ $x : 1 }}", FAILS),
    ("{{ @ }}", FAILS),
    ("{{ a.b }}", FAILS),
];

/// Several of these together.
const TOGETHER: &[(&str, Want)] = &[
    ("{{ (index .Extra.list 0) | upper | quote }}", Some(r#""A""#)),
    ("{{ with .MatchContext }}{{ .Method }}{{ .URL.Path }}{{ end }}", Some("GET/abc/d e")),
    (r#"{{ with .MatchContext.URL }}{{ .Host }}{{ .Query.Get "a" }}{{ end }}"#, Some("app.test1")),
    (r#"{{ with .MatchContext.Header }}{{ .Get "x-client" }}{{ end }}"#, Some("c1")),
    ("{{ with .MatchContext.URL }}{{ .Nope }}{{ end }}", FAILS),
    (r#"{{ $u := .MatchContext.URL }}{{ $u.Host }}{{ $u.Query.Get "b" }}{{ $u.Nope }}"#, FAILS),
    (r#"{{ $h := .MatchContext.Header }}{{ $h.Get "x-client" }}"#, Some("c1")),
    ("{{ $u := .MatchContext.URL }}{{ if .Extra.t }}{{ $u = .Extra }}{{ end }}{{ $u.role }}", Some("admin")),
    (r#"{{ template "a" .MatchContext }}{{ define "a" }}{{ .URL.Host }}{{ end }}"#, Some("app.test")),
    (r#"{{ template "a" .MatchContext }}{{ define "a" }}{{ .Nope }}{{ end }}"#, FAILS),
    ("{{ if .MatchContext.URL }}u{{ end }}{{ if .MatchContext }}m{{ end }}{{ if . }}s{{ end }}", Some("ums")),
    ("{{ if .Header }}h{{ else }}n{{ end }}{{ if .MatchContext.Header }}h{{ end }}", Some("nh")),
    ("{{ print .Header }}{{ toJson .Header }}{{ len .Header }}", Some("map[]null0")),
    ("{{ toJson .MatchContext.RegexpCaptureGroups }}", Some(r#"["abc","d e"]"#)),
    (r#"{{ $.MatchContext.URL.Query.Get "a" | default "x" }}"#, Some("1")),
    (r#"{{ eq (.MatchContext.Header.Get "x-client") "c1" }}"#, Some("true")),
    (r#"{{ if eq (.MatchContext.Header.Get "x-client") "c1" "c2" }}y{{ end }}"#, Some("y")),
    (r#"{{ if and (eq .Subject "alice") (hasPrefix "ad" .Extra.role) }}y{{ end }}"#, Some("y")),
    (r#"{{ not (eq .Subject "alice") }}"#, Some("false")),
    (r#"{{ .Subject | eq "alice" }}"#, Some("true")),
    (r#"{{ len (index .Extra "dot.key") }}"#, Some("6")),
    ("{{ {{ }}", FAILS),
    (r#"{{ "}}" }}"#, Some("}}")),
    ("{{ `}}` }}", Some("}}")),
    ("}}", Some("}}")),
    (r#"{ {{ "x" }} }"#, Some("{ x }")),
    ("{{{ .Subject }}}", FAILS),
    ("{{ .Subject }}}}", Some("alice}}")),
];

#[test]
fn blocks_run_as_in_go() {
    check(&Scene::new(), BLOCKS);
}

#[test]
fn variables_reach_as_far_as_in_go() {
    check(&Scene::new(), VARIABLES);
}

#[test]
fn templates_within_templates_run_as_in_go() {
    check(&Scene::new(), TEMPLATES);
}

#[test]
fn constants_read_as_in_go() {
    check(&Scene::new(), CONSTANTS);
}

#[test]
fn chains_are_followed_as_in_go() {
    check(&Scene::new(), CHAINS);
}

#[test]
fn the_url_answers_as_in_go() {
    check(&Scene::new(), URL);
}

#[test]
fn parts_of_the_session_print_as_in_go() {
    check(&Scene::new(), WHOLE);
}

#[test]
fn number_constants_read_as_in_go() {
    check(&Scene::new(), NUMBERS);
}

#[test]
fn pipes_run_as_in_go() {
    check(&Scene::new(), PIPES);
}

#[test]
fn white_space_is_trimmed_as_in_go() {
    check(&Scene::new(), TRIMMING);
}

#[test]
fn odd_spellings_read_as_in_go() {
    check(&Scene::new(), ODD);
}

#[test]
fn longer_templates_run_as_in_go() {
    check(&Scene::new(), TOGETHER);
}
