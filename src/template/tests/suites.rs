//! The recorded suites `mutate-template/*`: every case by its name.
//!
//! Where a case allows a departure and okgate takes it, the row has what okgate gives: integers stay
//! integers, nil on the way of a chain is empty, `b64dec` of what is no base64 fails, and nothing reads the
//! environment or the network.

use super::{FAILS, Scene, Want};

/// Fields of the session.
const FIELDS: &[(&str, &str, Want)] = &[
    ("subject", "{{ .Subject }}", Some("alice")),
    ("string", "{{ .Extra.role }}", Some("admin")),
    ("int prints without point", "{{ .Extra.n }}", Some("3")),
    ("a million prints as 1.234567e+06", "{{ .Extra.big }}", Some("1234567")),
    ("huge", "{{ .Extra.huge }}", Some("1e+21")),
    ("null", "{{ .Extra.nil }}", Some("<no value>")),
    ("null printed", "{{ print .Extra.nil }}", Some("")),
    ("missing printed", "{{ print .Extra.nope }}", Some("")),
    ("missing below missing", "{{ .Extra.nope.deeper }}", Some("")),
    ("list", "{{ .Extra.list }}", Some("[a b c]")),
    ("map", "{{ .Extra.map }}", Some("map[k:v z:1]")),
    ("index map", r#"{{ index .Extra "dot.key" }}"#, Some("dotted")),
    ("index dash", r#"{{ index .Extra "dash-key" }}"#, Some("dashed")),
    ("index missing", r#"{{ index .Extra "nope" }}"#, Some("<no value>")),
    ("index list", "{{ index .Extra.list 1 }}", Some("b")),
    ("print index", "{{ printIndex .Extra.list 2 }}", Some("c")),
    ("print index out of range", "{{ printIndex .Extra.list 9 }}", Some("")),
    ("print index of a string", "{{ printIndex .Extra.role 0 }}", Some("")),
    ("print index negative", "{{ printIndex .Extra.list -1 }}", FAILS),
    ("group 0", "{{ index .MatchContext.RegexpCaptureGroups 0 }}", Some("abc")),
    ("url", "{{ .MatchContext.URL }}", Some("http://app.test/abc/d%20e?a=1&b=2")),
    ("path", "{{ .MatchContext.URL.Path }}", Some("/abc/d e")),
    ("escaped path", "{{ .MatchContext.URL.EscapedPath }}", Some("/abc/d%20e")),
    ("query map", "{{ .MatchContext.URL.Query }}", Some("map[a:[1] b:[2]]")),
    ("hostname", "{{ .MatchContext.URL.Hostname }}", Some("app.test")),
    ("raw query", "{{ .MatchContext.URL.RawQuery }}", Some("a=1&b=2")),
    ("method", "{{ .MatchContext.Method }}", Some("GET")),
    ("header get missing", r#"{{ .MatchContext.Header.Get "x-none" }}"#, Some("")),
    ("header index", r#"{{ index .MatchContext.Header "X-Client" }}"#, Some("[c1]")),
    ("header values", r#"{{ .MatchContext.Header.Values "X-Multi" }}"#, Some("[m1 m2]")),
    ("header printIndex", r#"{{ printIndex (index .MatchContext.Header "X-Multi") 1 }}"#, Some("m2")),
    ("unknown field lower case", "{{ .subject }}", FAILS),
    ("session header nil", "{{ .Header }}", Some("map[]")),
    ("literal", "just text", Some("just text")),
    ("empty", "", Some("")),
    ("unicode", "{{ .Extra.uni }}", Some("Zürich")),
    ("spaces around", "  {{ .Subject }}  ", Some("  alice  ")),
    ("comment", "a{{/* note */}}b", Some("ab")),
    ("trim markers", "a {{- .Subject -}} b", Some("aaliceb")),
];

/// Blocks, variables and built-in functions.
const CONTROL: &[(&str, &str, Want)] = &[
    ("if string", "{{ if .Extra.role }}y{{ else }}n{{ end }}", Some("y")),
    ("if missing", "{{ if .Extra.nope }}y{{ else }}n{{ end }}", Some("n")),
    ("if false", "{{ if .Extra.no }}y{{ else }}n{{ end }}", Some("n")),
    ("eq", r#"{{ eq .Extra.role "admin" }}"#, Some("true")),
    ("eq many", r#"{{ eq .Extra.role "x" "admin" }}"#, Some("true")),
    ("eq json number with an int", "{{ eq .Extra.n 3 }}", FAILS),
    ("eq json number with a float", "{{ eq .Extra.n 3.0 }}", Some("true")),
    ("lt", "{{ lt .Extra.n 4.0 }}", Some("true")),
    ("gt", "{{ gt .Extra.n 2.5 }}", Some("true")),
    ("and", "{{ and .Extra.t .Extra.role }}", Some("admin")),
    ("and short", "{{ and .Extra.no .Extra.role }}", Some("false")),
    ("not", "{{ not .Extra.t }}", Some("false")),
    ("len string", "{{ len .Extra.role }}", Some("5")),
    ("len map", "{{ len .Extra.map }}", Some("2")),
    ("len nil", "{{ len .Extra.nope }}", FAILS),
    (
        "range index",
        "{{ range $i, $e := .Extra.list }}{{ if $i }},{{ end }}{{ $i }}={{ $e }}{{ end }}",
        Some("0=a,1=b,2=c"),
    ),
    ("range map is sorted", "{{ range $k, $v := .Extra.map }}{{ $k }}={{ $v }};{{ end }}", Some("k=v;z=1;")),
    ("range dollar", "{{ range .Extra.list }}{{ $.Subject }}{{ end }}", Some("alicealicealice")),
    (
        "range break",
        r#"{{ range .Extra.list }}{{ if eq . "b" }}{{ break }}{{ end }}{{ . }}{{ end }}"#,
        Some("a"),
    ),
    ("with", "{{ with .Extra.map }}{{ .k }}{{ end }}", Some("v")),
    ("with missing", "{{ with .Extra.nope }}x{{ else }}none{{ end }}", Some("none")),
    ("assign", r#"{{ $r := "a" }}{{ if .Extra.t }}{{ $r = "b" }}{{ end }}{{ $r }}"#, Some("b")),
    ("pipe", r#"{{ .Extra.role | printf "%s!" }}"#, Some("admin!")),
    ("printf json number as %d", r#"{{ printf "%d" .Extra.n }}"#, Some("%!d(float64=3)")),
    ("printf wrong type", r#"{{ printf "%d" .Extra.role }}"#, Some("%!d(string=admin)")),
    ("html", "{{ html .Extra.html }}", Some("&lt;b&gt;&amp;&#39;&#34;&lt;/b&gt;")),
    ("js", "{{ js .Extra.html }}", Some(r#"\u003Cb\u003E\u0026\'\"\u003C/b\u003E"#)),
    ("slice", "{{ slice .Extra.role 1 3 }}", FAILS),
    (
        "define and template",
        r#"{{ define "x" }}<{{ . }}>{{ end }}{{ template "x" .Subject }}"#,
        Some("<alice>"),
    ),
    ("raw string", r#"{{ `a"b` }}"#, Some(r#"a"b"#)),
    ("character constant", "{{ 'a' }}", Some("97")),
    ("nil compare", "{{ eq .Extra.nil nil }}", Some("true")),
    ("method call with args", r#"{{ .MatchContext.URL.Query.Has "a" }}"#, Some("true")),
];

/// One or two of every theme of Sprig.
const SPRIG: &[(&str, &str, Want)] = &[
    ("upper", "{{ upper .Subject }}", Some("ALICE")),
    ("title", r#"{{ title "ab cd" }}"#, Some("Ab Cd")),
    ("trim", "{{ trim .Extra.sp }}", Some("pad")),
    ("trimPrefix", r#"{{ trimPrefix "ad" .Extra.role }}"#, Some("min")),
    ("trimSuffix", r#"{{ .Extra.role | trimSuffix "min" }}"#, Some("ad")),
    ("repeat", r#"{{ repeat 3 "ab" }}"#, Some("ababab")),
    ("substr", "{{ substr 1 3 .Subject }}", Some("li")),
    ("trunc negative", "{{ trunc -2 .Subject }}", Some("ce")),
    ("contains", r#"{{ contains "ic" .Subject }}"#, Some("true")),
    ("hasSuffix", r#"{{ hasSuffix "x" .Subject }}"#, Some("false")),
    ("quote", "{{ quote .Extra.html }}", Some(r#""<b>&'\"</b>""#)),
    ("cat", r#"{{ cat "a" .Subject 3 }}"#, Some("a alice 3")),
    ("indent", r#"{{ indent 2 "x" }}"#, Some("  x")),
    ("initials", r#"{{ initials "Al Bo" }}"#, Some("AB")),
    ("snakecase", r#"{{ snakecase "FirstName" }}"#, Some("first_name")),
    ("kebabcase", r#"{{ kebabcase "FirstName" }}"#, Some("first-name")),
    ("swapcase", r#"{{ swapcase "aB" }}"#, Some("Ab")),
    ("regexMatch", r#"{{ regexMatch "^a.*e$" .Subject }}"#, Some("true")),
    ("regexFind", r#"{{ regexFind "[a-z]" "1b2" }}"#, Some("b")),
    ("regexSplit", r#"{{ regexSplit "," .Extra.csv -1 | toJson }}"#, Some(r#"["x","y","z"]"#)),
    ("regexFindAll", r#"{{ regexFindAll "[a-c]" "abcd" -1 | toJson }}"#, Some(r#"["a","b","c"]"#)),
    ("splitList", r#"{{ splitList "," .Extra.csv | last }}"#, Some("z")),
    ("splitn", r#"{{ (splitn "," 2 .Extra.csv)._1 }}"#, Some("y,z")),
    ("join mixed", r#"{{ join "-" (list 1 "a" true) }}"#, Some("1-a-true")),
    ("sortAlpha", r#"{{ sortAlpha (list "c" "a") | toJson }}"#, Some(r#"["a","c"]"#)),
    ("default of missing", r#"{{ .Extra.nope | default "d" }}"#, Some("d")),
    ("default of zero", "{{ default 5 0 }}", Some("5")),
    ("coalesce", r#"{{ coalesce .Extra.nope .Extra.empty "c" }}"#, Some("c")),
    ("ternary", r#"{{ ternary "y" "n" .Extra.t }}"#, Some("y")),
    ("toJson", "{{ .Extra.map | toJson }}", Some(r#"{"k":"v","z":1}"#)),
    ("toJson escapes html", "{{ .Extra.html | toJson }}", Some(r#""\u003cb\u003e\u0026'\"\u003c/b\u003e""#)),
    ("toPrettyJson", r#"{{ (dict "a" 1) | toPrettyJson }}"#, Some("{\n  \"a\": 1\n}")),
    (
        "toJson of numbers",
        "{{ list .Extra.n .Extra.f .Extra.big .Extra.huge | toJson }}",
        Some("[3,1.5,1234567,1e+21]"),
    ),
    ("all", "{{ all 1 .Extra.t }}", Some("true")),
    ("any", r#"{{ any 0 "" .Extra.no }}"#, Some("false")),
    ("b64dec", r#"{{ b64dec "YWxpY2U=" }}"#, Some("alice")),
    ("b64dec bad", r#"{{ b64dec "!" }}"#, FAILS),
    ("sha1sum", "{{ sha1sum .Subject }}", Some("522b276a356bdf39013dfabea2cd43e141ecc9e8")),
    (
        "sha256sum",
        "{{ sha256sum .Subject }}",
        Some("2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90"),
    ),
    ("adler32sum", "{{ adler32sum .Subject }}", Some("100663807")),
    ("list", r#"{{ list 1 "b" | toJson }}"#, Some(r#"[1,"b"]"#)),
    ("last", "{{ last .Extra.list }}", Some("c")),
    ("rest", "{{ rest .Extra.list | toJson }}", Some(r#"["b","c"]"#)),
    ("append", r#"{{ append .Extra.list "d" | toJson }}"#, Some(r#"["a","b","c","d"]"#)),
    ("prepend", r#"{{ prepend .Extra.list "0" | toJson }}"#, Some(r#"["0","a","b","c"]"#)),
    ("reverse", "{{ reverse .Extra.list | toJson }}", Some(r#"["c","b","a"]"#)),
    ("uniq", r#"{{ list "a" "a" "b" | uniq | toJson }}"#, Some(r#"["a","b"]"#)),
    ("has", r#"{{ has "b" .Extra.list }}"#, Some("true")),
    ("has not", r#"{{ has "x" .Extra.list }}"#, Some("false")),
    ("slice list", "{{ slice .Extra.list 1 2 | toJson }}", Some(r#"["b"]"#)),
    ("chunk", "{{ chunk 2 .Extra.list | toJson }}", Some(r#"[["a","b"],["c"]]"#)),
    ("seq", "{{ seq 1 3 }}", Some("1 2 3")),
    ("dict", r#"{{ dict "a" 1 "b" "x" | toJson }}"#, Some(r#"{"a":1,"b":"x"}"#)),
    ("get missing", r#"{{ get .Extra "nope" }}"#, Some("")),
    ("set", r#"{{ $d := set (dict) "k" "v" }}{{ $d.k }}"#, Some("v")),
    ("hasKey", r#"{{ hasKey .Extra "role" }}"#, Some("true")),
    ("keys", "{{ keys .Extra.map | sortAlpha | toJson }}", Some(r#"["k","z"]"#)),
    ("pick", r#"{{ pick .Extra "role" "n" | toJson }}"#, Some(r#"{"n":3,"role":"admin"}"#)),
    ("omit", r#"{{ omit (dict "a" 1 "b" 2) "a" | toJson }}"#, Some(r#"{"b":2}"#)),
    ("dig", r#"{{ dig "deep" "x" "none" .Extra }}"#, Some("none")),
    ("pluck", r#"{{ pluck "k" .Extra.map | toJson }}"#, Some(r#"["v"]"#)),
    ("add", "{{ add 1 2 3 }}", Some("6")),
    ("add json number", "{{ add .Extra.n 1 }}", Some("4")),
    ("mul", "{{ mul 2 3 }}", Some("6")),
    ("div", "{{ div 7 2 }}", Some("3")),
    ("mod", "{{ mod 7 4 }}", Some("3")),
    ("max", "{{ max 1 9 3 }}", Some("9")),
    ("floor", "{{ floor 1.9 }}", Some("1")),
    ("ceil", "{{ ceil 1.1 }}", Some("2")),
    ("addf", "{{ addf 1.5 2 }}", Some("3.5")),
    ("int", r#"{{ int "12" }}"#, Some("12")),
    ("int64", "{{ .Extra.n | int64 }}", Some("3")),
    ("float64", r#"{{ float64 "1.5" }}"#, Some("1.5")),
    ("toString", "{{ toString .Extra.n }}", Some("3")),
    ("toStrings", "{{ toStrings .Extra.nums | toJson }}", Some(r#"["3","1","2"]"#)),
    ("kindOf", "{{ kindOf .Extra.list }}", Some("slice")),
    ("kindIs", r#"{{ kindIs "string" .Extra.role }}"#, Some("true")),
    ("urlParse", r#"{{ (urlParse "http://a.test:8/p?q=1").host }}"#, Some("a.test:8")),
    ("base", r#"{{ base "/a/b.txt" }}"#, Some("b.txt")),
    ("ext", r#"{{ ext "/a/b.txt" }}"#, Some(".txt")),
    ("clean", r#"{{ clean "/a/../b" }}"#, Some("/b")),
    ("fail", r#"{{ fail "no" }}"#, FAILS),
    ("wrap", r#"{{ wrap 3 "ab cd" }}"#, Some("ab\ncd")),
    ("uuid length", "{{ uuidv4 | len }}", Some("36")),
    ("randAlpha length", "{{ randAlphaNum 8 | len }}", Some("8")),
    (
        "date of a fixed time",
        r#"{{ toDate "2006-01-02" "2020-02-03" | date "02.01.2006" }}"#,
        Some("03.02.2020"),
    ),
    ("env is readable", r#"{{ env "CONF_SECRET" }}"#, FAILS),
    ("getHostByName", r#"{{ getHostByName "127.0.0.1" }}"#, FAILS),
    ("unknown function", "{{ nosuch 1 }}", FAILS),
    ("wrong argument type", "{{ upper 5 }}", FAILS),
];

/// For a session without extra.
const NOBODY: &[(&str, &str, Want)] = &[
    ("subject", "{{ .Subject }}", Some("guest")),
    ("print field", "{{ print .Extra.role }}", Some("")),
    ("below", "{{ .Extra.a.b }}", Some("")),
    ("toJson", "{{ .Extra | toJson }}", Some("null")),
    ("print", "{{ print .Extra }}", Some("map[]")),
    ("default", r#"{{ .Extra.role | default "d" }}"#, Some("d")),
    ("get", r#"{{ get .Extra "a" }}"#, Some("")),
    ("if", "{{ if .Extra }}y{{ else }}n{{ end }}", Some("n")),
    ("len", "{{ len .Extra }}", Some("0")),
];

fn check(scene: &Scene, rows: &[(&str, &str, Want)]) {
    for (name, source, want) in rows {
        let got = scene.go(source);
        assert_eq!(got.as_deref().ok(), *want, "{name}: {source} gives {got:?}");
    }
}

#[test]
fn fields_of_the_session_are_as_recorded() {
    check(&Scene::new(), FIELDS);
}

#[test]
fn blocks_and_built_in_functions_are_as_recorded() {
    check(&Scene::new(), CONTROL);
}

#[test]
fn functions_of_sprig_are_as_recorded() {
    check(&Scene::new(), SPRIG);
}

#[test]
fn a_session_without_extra_is_as_recorded() {
    check(&Scene::nobody(), NOBODY);
}
