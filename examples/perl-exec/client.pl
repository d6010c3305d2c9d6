#!/usr/bin/env perl
# A client under test in Perl, with its own HTTP library alone: one attempt, and what came of it in words.
use strict; use warnings; use HTTP::Tiny; use JSON::PP;
my %e = map { $_ => $ENV{"SADPATH_$_"} } qw(METHOD URL BODY TOKEN);
exit 77 unless $e{METHOD};                                       # an operation that the API does not have
my %options = (headers => { Authorization => "Bearer $e{TOKEN}" });
@options{qw(content)} = ($e{BODY}), $options{headers}{"Content-Type"} = "application/json" if length $e{BODY};
my $got = HTTP::Tiny->new(timeout => 2, max_redirect => 0)->request($e{METHOD}, $e{URL}, \%options);
my $json = eval { JSON::PP->new->allow_nonref->utf8->decode($got->{content}) };
my $kind = $got->{status} == 599 ? "other" : $got->{status} >= 500 ? "server" : "unexpected_status";
my %error = (error => { kind => $kind, status => $got->{status} == 599 ? undef : 0 + $got->{status} });
my %well = (value => { status => 0 + $got->{status}, json => $json });
my %said = (t => "outcome", outcome => $got->{success} ? "ok" : "error", $got->{success} ? %well : %error);
print '@sadpath ', JSON::PP->new->ascii->encode(\%said), "\n";
