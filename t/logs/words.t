# Formats: every figure's word is taken, another stops the check with one sentence that says where.
use strict;
use warnings;
use PST;
use PST::Log;
use PST::Server;
use Test::More;

plan skip_all => 'does not depend on the MPM' unless mpm() eq 'event';

my $s = PST::Server->new('logs-words');

sub check {
    my ($conf) = @_;
    $s->write_conf(conf => "$conf\n");
    return $s->check;
}

my @good = ('LogFormat "%^PR %^PC"', 'LogFormat "%{}^PR"', 'LogFormat "%{Used}^PR %!200,304{peak_bytes}^PR %>{growths}^PC"',
    'LogFormat "100%% %{foo}^FO"' =~ s/ %\{foo\}\^FO//r, 'LogFormat "%{%H:%M}t %{nothing}n %{bogus}i %{REQ}e"', 'ErrorLogFormat "%M %{used}R %-C %{nothing}n"',
    'ErrorLogFormat request "%+{requests}C %{c}L"',
    'LogFormat "' . join(' ', (map "%{$_}^PR", @PST::Log::REQUEST), map "%{$_}^PC", @PST::Log::CONNECTION) . '"');
for my $conf (@good) {
    my ($status, $out) = check($conf);
    is($status, 0, "good: $conf") or diag($out);
}

# a connection's figures are none of a request
my @bad = (['LogFormat "%{bogus}^PR"', '^PR', 'bogus'], ['LogFormat "%b %{use}^PC x"', '^PC', 'use'], ['LogFormat "%^PR %{buckets}^PR"', '^PR', 'buckets'],
    ['LogFormat "%!200{us ed}^PR"', '^PR', 'us ed'], ["CustomLog $s->{dir}/x \"%{reserved_byte}^PC\"", '^PC', 'reserved_byte'],
    ["<VirtualHost *:*>\nCustomLog $s->{dir}/x \"%h %{Reserve}^PC\"\n</VirtualHost>", '^PC', 'Reserve'],
    ['ErrorLogFormat "%{bogus}R %M"', 'R', 'bogus'], ['ErrorLogFormat "%M % %-{requests}R"', 'R', 'requests']);
for my $case (@bad) {
    my ($conf, $tag, $word) = @$case;
    my ($status, $out) = check($conf);
    my ($name) = $conf =~ /(\w+(?:Log|Format)) /;
    isnt($status, 0, "bad: $conf");
    my @said = grep /PST0020/, split /\n/, $out . $s->log_text;
    is(scalar @said, 1, 'one sentence') or diag($out);
    like($said[0] // '', qr/PST0020: $name has %\{\Q$word\E\}\Q$tag\E, but '\Q$word\E' is none of pools, reserved, .*used \(line \d+ of \S+httpd\.conf\)/,
        'that says what and where');
    unlink "$s->{dir}/error_log";
}
done_testing;
